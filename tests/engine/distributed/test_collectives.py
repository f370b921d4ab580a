"""Averages over processes, with one process in the place of all: its sums are given."""

from collections.abc import Callable

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.engine.distributed.collectives import AverageGradients, GlobalSampleCount, average_statistics
from mindrcnn.engine.distributed.ranks import Ranks


class SumOf(nn.Cell):
    """In the place of AllReduce: the other processes have this much together."""

    def __init__(self, others: float) -> None:
        super().__init__()
        self.others = others

    def construct(self, value: Tensor) -> Tensor:
        return value + self.others


@pytest.fixture
def count_with(mode: str) -> Callable[[float, int], GlobalSampleCount]:
    def make(others: float, size: int) -> GlobalSampleCount:
        cell = GlobalSampleCount(size=size)
        cell.all_reduce = SumOf(others)
        return cell

    return make


def test_counts_of_all_processes_make_the_mean_of_losses_that_of_the_batch(
    count_with: Callable[[float, int], GlobalSampleCount],
) -> None:
    sums, counts = (6.0, 2.0, 0.0), (3.0, 5.0, 0.0)
    losses = [
        total / count_with(sum(counts) - count, 3)(Tensor(count, ms.float32)).asnumpy()
        for total, count in zip(sums, counts, strict=True)
    ]
    np.testing.assert_allclose(np.mean(losses), sum(sums) / sum(counts), rtol=1e-6)


def test_no_samples_anywhere_divide_by_one_in_all(count_with: Callable[[float, int], GlobalSampleCount]) -> None:
    count = count_with(0.0, 4)(Tensor(0.0, ms.float32))
    assert count.shape == ()
    assert float(count.asnumpy()) == 0.25


def test_gradients_are_averaged(mode: str) -> None:
    cell = AverageGradients(size=2)
    cell.all_reduce = SumOf(3.0)
    own = np.arange(6, dtype=np.float32)
    matrix, vector = cell((Tensor(own.reshape(2, 3)), Tensor(own)))
    np.testing.assert_array_equal(matrix.asnumpy(), (own.reshape(2, 3) + 3) / 2)
    np.testing.assert_array_equal(vector.asnumpy(), (own + 3) / 2)


def test_moving_statistics_become_the_same() -> None:
    network = nn.SequentialCell(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(3))
    network[1].moving_mean.set_data(Tensor(np.array([1, 2], np.float32)))
    average_statistics(network, None, Ranks(size=2, all_gather=lambda values: [values, (1.0,) * len(values)]))
    np.testing.assert_array_equal(network[1].moving_mean.asnumpy(), [1, 1.5])
    np.testing.assert_array_equal(network[1].moving_variance.asnumpy(), [1, 1])
    np.testing.assert_array_equal(network[2].moving_mean.asnumpy(), [0.5] * 3)
    before = network[1].moving_mean.asnumpy()
    average_statistics(network, None, Ranks())
    np.testing.assert_array_equal(network[1].moving_mean.asnumpy(), before)
