"""Averages over several processes: gradients and sample counts within a step, batch norm statistics between steps."""

import numpy as np
from mindspore import Tensor, nn, ops

from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.native.exchange import native_average

_average = ops.MultitypeFuncGraph("average")
_map = ops.HyperMap()

# Gradients with the same positive number are sent together if the back end can do that (Ascend). 1 is the number that
# MindSpore's nn.DistributedGradReducer uses.
_FUSION = 1


@_average.register("Function", "Number", "Tensor")
def _average_one(all_reduce: ops.AllReduce, share: float, gradient: Tensor) -> Tensor:
    return all_reduce(gradient) * share


class AverageGradients(nn.Cell):
    """The means of gradients over `size` processes, the same on each."""

    def __init__(self, *, size: int) -> None:
        super().__init__()
        self.share = 1.0 / size
        self.all_reduce = ops.AllReduce().add_prim_attr("fusion", _FUSION)

    def construct(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Averages float tensors, whose shapes are the same on all processes."""
        return _map(ops.partial(_average, self.all_reduce, self.share), gradients)


class AverageInMemory(nn.Cell):
    """What AverageGradients returns, for processes that share memory (shared_memory.py)."""

    def construct(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Averages float32 tensors, whose shapes are the same on all processes."""
        return native_average(gradients)


class GlobalSampleCount(nn.Cell):
    """The number of samples of all processes, at least 1, divided by the number of processes.

    Losses divided by it average, over the processes, to the loss of the whole batch; see SampleCount in ops/losses.py.
    """

    def __init__(self, *, size: int) -> None:
        super().__init__()
        self.share = 1.0 / size
        self.all_reduce = ops.AllReduce()

    def construct(self, count: Tensor) -> Tensor:
        """Returns a float32 scalar for the process's own count, a float32 scalar."""
        total = self.all_reduce(ops.stop_gradient(count).reshape((1,))).reshape(())
        return ops.stop_gradient(ops.clamp(total, 1.0) * self.share)


def average_statistics(network: nn.Cell, average: ParameterAverage | None, ranks: Ranks) -> None:
    """Replaces the moving statistics of batch norms, and their averages, by the means over all processes.

    Each process normalises by the statistics of its own images, so these differ, although all trained parameters are
    the same.
    """
    if ranks.size == 1:
        return
    norms = [cell for _, cell in network.cells_and_names() if isinstance(cell, nn.BatchNorm2d)]
    statistics = [parameter for norm in norms for parameter in (norm.moving_mean, norm.moving_variance)]
    if average is not None:
        averages = average.by_name()
        statistics += [averages[parameter.name] for parameter in statistics]
    values = [parameter.asnumpy() for parameter in statistics]
    if not values:
        return
    means = np.array(ranks.mean(tuple(np.concatenate(values).tolist())), np.float32)
    ends = np.cumsum([len(value) for value in values])
    for parameter, mean in zip(statistics, np.split(means, ends[:-1]), strict=True):
        parameter.set_data(Tensor(mean))
