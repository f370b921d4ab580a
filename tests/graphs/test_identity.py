"""The identity of a graph: the same for the same cell, another for whatever changes what is compiled."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from mindrcnn.graphs import identity
from mindrcnn.graphs.identity import graph_key
from mindrcnn.native.switch import in_use, portable_only

IMAGE = Tensor(np.zeros((1, 3, 8, 8), np.float32))


@dataclass(frozen=True)
class Settings:
    limit: float = 1.0


class Small(nn.Cell):
    """A cell with a part of each kind."""

    def __init__(self, *, channels: int = 4, limit: float = 1.0, constant: float = 2.0, name: str = "scale") -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3)
        self.scale = Parameter(Tensor(np.ones(1, np.float32)), name=name)
        self.constant = Tensor(np.float32(constant))
        self.settings = Settings(limit)
        self.levels = {"p2": (1, 2), "p3": [3, None]}
        self.rounded = functools.partial(round, ndigits=2)
        self.gradient = ops.value_and_grad(self.total, None, self.trainable_params())
        self.pool = ops.MaxPool(kernel_size=2, strides=2)

    def total(self, x: Tensor) -> Tensor:
        return (self.conv(x) * self.scale).sum()

    def construct(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(x)) * self.constant


def changed(change: Callable[[Any], object]) -> nn.Cell:
    cell = Small()
    change(cell)
    return cell


def test_two_cells_made_alike_have_one_identity() -> None:
    first = graph_key(Small(), [IMAGE])
    assert first is not None
    assert graph_key(Small(), [Tensor(np.ones((1, 3, 8, 8), np.float32))]) == first


def test_values_of_parameters_are_not_part_of_it() -> None:
    other = Small()
    other.scale.set_data(Tensor(np.full(1, 7, np.float32)))
    assert graph_key(other, [IMAGE]) == graph_key(Small(), [IMAGE])


@pytest.mark.parametrize(
    "other",
    [
        lambda: Small(channels=5),
        lambda: Small(limit=2.0),
        lambda: Small(constant=3.0),
        lambda: Small(name="factor"),
        lambda: changed(lambda cell: cell.set_train()),
        lambda: changed(lambda cell: setattr(cell.scale, "requires_grad", False)),
        lambda: changed(lambda cell: cell.to_float(ms.float16)),
        lambda: changed(lambda cell: cell.register_forward_hook(lambda hooked, inputs, output: output)),
        lambda: changed(lambda cell: cell.levels["p3"].append(1)),
        lambda: changed(lambda cell: setattr(cell, "rounded", functools.partial(round, ndigits=3))),
        lambda: changed(lambda cell: setattr(cell, "pool", ops.MaxPool(kernel_size=2, strides=1))),
        lambda: changed(lambda cell: setattr(cell, "pool", lambda x: x)),
        lambda: changed(lambda cell: setattr(cell, "gradient", ops.value_and_grad(cell.conv, 0))),
        lambda: changed(lambda cell: setattr(cell.conv, "pad_mode", "valid")),
    ],
)
def test_whatever_is_compiled_in_changes_it(other: Callable[[], nn.Cell]) -> None:
    key = graph_key(other(), [IMAGE])
    assert key is not None
    assert key != graph_key(Small(), [IMAGE])


@pytest.mark.parametrize(
    "arguments",
    [[IMAGE, IMAGE], [Tensor(np.zeros((1, 3, 8, 9), np.float32))], [Tensor(np.zeros((1, 3, 8, 8), np.float16))]],
    ids=["number", "shape", "type"],
)
def test_arguments_change_it(arguments: list[Tensor]) -> None:
    assert graph_key(Small(), arguments) != graph_key(Small(), [IMAGE])


def test_the_choice_of_kernels_changes_it() -> None:
    if not in_use():
        pytest.skip("no native kernels here")
    with portable_only():
        portable = graph_key(Small(), [IMAGE])
    assert portable != graph_key(Small(), [IMAGE])


@pytest.mark.parametrize("what", ["sources", "versions", "level", "settings"])
def test_surroundings_change_it(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    before = graph_key(Small(), [IMAGE])
    if what == "sources":
        monkeypatch.setattr(identity, "_package_digest", lambda: "another")
    elif what == "versions":
        monkeypatch.setattr(identity, "version", lambda name: "9.9")
    elif what == "level":
        told = ms.get_context
        level = {"jit_config": {"jit_level": "O1"}}
        monkeypatch.setattr(identity.ms, "get_context", lambda name: level.get(name) or told(name))
    else:
        monkeypatch.setenv("MS_DEV_JIT_SYNTAX_LEVEL", "0")
    assert graph_key(Small(), [IMAGE]) != before


def test_what_cannot_be_read_is_not_kept() -> None:
    assert graph_key(changed(lambda cell: setattr(cell, "file", iter([1]))), [IMAGE]) is None
