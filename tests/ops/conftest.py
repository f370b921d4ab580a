"""Calls of tensor functions with numpy arrays, compiled or eager depending on `mode`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def run(mode: str) -> Callable[..., Any]:
    """run(function, *arrays) -> numpy result, or a tuple of them; in graph mode through a compiled Cell."""
    from mindspore import Tensor, nn

    class Call(nn.Cell):
        def __init__(self, function: Callable[..., Any]) -> None:
            super().__init__()
            self.function = function

        def construct(self, *tensors):  # type: ignore[no-untyped-def]
            return self.function(*tensors)

    cells: dict[Callable[..., Any], Call] = {}  # a Cell compiles once for the same shapes

    def call(function: Callable[..., Any], *arrays: np.ndarray) -> Any:
        cell = cells.setdefault(function, Call(function))
        result = cell(*(Tensor(array) for array in arrays))
        return tuple(item.asnumpy() for item in result) if isinstance(result, tuple) else result.asnumpy()

    return call


@pytest.fixture
def gradients(mode: str) -> Callable[..., tuple[np.ndarray, ...]]:
    """gradients(function, sens, *arrays) -> d sum(function * sens) / d array, of each array."""
    from mindspore import Tensor, nn, ops

    class Backward(nn.Cell):
        def __init__(self, function: Callable[..., Any]) -> None:
            super().__init__()
            self.function = function

        def construct(self, sens, *tensors):  # type: ignore[no-untyped-def]
            return ops.GradOperation(get_all=True, sens_param=True)(self.function)(*tensors, sens)

    cells: dict[Callable[..., Any], Backward] = {}

    def call(function: Callable[..., Any], sens: np.ndarray, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        cell = cells.setdefault(function, Backward(function))
        results = cell(*(Tensor(array) for array in (sens, *arrays)))
        return tuple(result.asnumpy() for result in results)

    return call


@pytest.fixture
def numeric_gradient() -> Callable[..., np.ndarray]:
    """Gradient of sum(function(array) * sens) by central differences, for a numpy function."""

    def call(function: Callable[..., np.ndarray], sens: np.ndarray, array: np.ndarray, step: float) -> np.ndarray:
        result = np.zeros(array.shape)
        for index in np.ndindex(*array.shape):
            above, below = array.astype(np.float64), array.astype(np.float64)
            above[index] += step
            below[index] -= step
            result[index] = ((function(above) - function(below)) * sens).sum() / (2 * step)
        return result

    return call
