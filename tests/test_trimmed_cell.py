"""Return of memory after compilation."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn import trimmed_cell


class Doubled(trimmed_cell.TrimmedCell):
    def construct(self, x: Tensor) -> Tensor:
        return x * 2


def test_once_for_each_compiled_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []

    class Process:
        malloc_trim = staticmethod(trimmed.append)

    monkeypatch.setattr(trimmed_cell.ctypes, "CDLL", lambda name: Process)
    ms.set_context(mode=ms.GRAPH_MODE)
    cell, after = Doubled(), []
    for length in (2, 2, 3):
        assert cell(Tensor(np.ones(length, np.float32))).asnumpy().tolist() == [2] * length
        after.append(len(trimmed))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    assert after == [1, 1, 2]
