"""A cell that is compiled as a whole: what it gives back."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.graphs import cell as module
from mindrcnn.graphs.identity import graph_key


class Doubled(module.CompiledCell):
    def construct(self, x: Tensor) -> Tensor:
        return x * 2


def test_what_was_compiled_before_is_not_part_of_a_graph() -> None:
    ms.set_context(mode=ms.GRAPH_MODE)
    cell, other = Doubled(), Tensor(np.ones(5, np.float32))
    cell(Tensor(np.ones(4, np.float32)))
    assert graph_key(cell, [other]) == graph_key(Doubled(), [other])
    ms.set_context(mode=ms.PYNATIVE_MODE)


def test_once_for_each_compiled_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []

    class Process:
        malloc_trim = staticmethod(trimmed.append)

    monkeypatch.setattr(module.ctypes, "CDLL", lambda name: Process)
    ms.set_context(mode=ms.GRAPH_MODE)
    cell, after = Doubled(), []
    for length in (2, 2, 3):
        assert cell(Tensor(np.ones(length, np.float32))).asnumpy().tolist() == [2] * length
        after.append(len(trimmed))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    assert after == [1, 1, 2]
