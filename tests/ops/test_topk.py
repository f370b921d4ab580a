"""The largest values of each row, and whole numbers."""

import mindspore as ms
import numpy as np
from mindspore import Tensor

from mindrcnn.ops.arange import arange
from mindrcnn.ops.topk import topk

VALUES = np.array([[3, 1, 2, 5], [0, -1, 7, 7]], np.float32)


def two(values: Tensor) -> tuple[Tensor, Tensor]:
    return topk(values, 2)


def nine(values: Tensor) -> tuple[Tensor, Tensor]:
    return topk(values, 9)


def test_descending_with_indices(run) -> None:
    best, index = run(two, VALUES)
    np.testing.assert_array_equal(best, [[5, 3], [7, 7]])
    np.testing.assert_array_equal(np.take_along_axis(VALUES, index, 1), best)
    assert index.dtype == np.int32


def test_no_more_than_there_are(run) -> None:
    best, index = run(nine, VALUES)
    np.testing.assert_array_equal(best, -np.sort(-VALUES, axis=1))
    assert sorted(index[0]) == [0, 1, 2, 3]


def add_numbers(values: Tensor) -> Tensor:
    return arange(values.shape[1]) + values.astype(ms.int32)


def test_whole_numbers(run) -> None:
    np.testing.assert_array_equal(run(add_numbers, np.zeros((1, 5), np.float32)), [[0, 1, 2, 3, 4]])
