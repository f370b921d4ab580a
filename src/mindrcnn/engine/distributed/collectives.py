"""Averages over several processes: of gradients and sample counts in a training step, of statistics between two."""

import numpy as np
from mindspore import Tensor, nn, ops

from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.step.ema import ParameterAverage

_averaged = ops.MultitypeFuncGraph("averaged")
_map = ops.HyperMap()

# Gradients with the same number above 0 travel together where the back end can do that (Ascend); 1 is what MindSpore's
# own nn.DistributedGradReducer uses.
_FUSION = 1


@_averaged.register("Function", "Number", "Tensor")
def _averaged_one(all_reduce: ops.AllReduce, share: float, gradient: Tensor) -> Tensor:
    return all_reduce(gradient) * share


class AverageGradients(nn.Cell):
    """Means over `size` processes of a tuple of gradients; every process gets them."""

    def __init__(self, *, size: int) -> None:
        super().__init__()
        self.share = 1.0 / size
        self.all_reduce = ops.AllReduce().add_prim_attr("fusion", _FUSION)

    def construct(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Float tensors of the same shapes on all processes."""
        return _map(ops.partial(_averaged, self.all_reduce, self.share), gradients)


class GlobalSampleCount(nn.Cell):
    """A process's share of the samples of all: their number, at least 1, over the number of processes.

    Losses that divide by it average to the loss of the whole batch; see ops/sample_count.py.
    """

    def __init__(self, *, size: int) -> None:
        super().__init__()
        self.share = 1.0 / size
        self.all_reduce = ops.AllReduce()

    def construct(self, count: Tensor) -> Tensor:
        """count, result: float32 scalars."""
        total = self.all_reduce(ops.stop_gradient(count).reshape((1,))).reshape(())
        return ops.stop_gradient(ops.clamp(total, 1.0) * self.share)


def average_statistics(network: nn.Cell, average: ParameterAverage | None, ranks: Ranks) -> None:
    """Gives the batch norms of all processes the means of their moving statistics, and of the averages of these.

    Each process normalises by the statistics of its own images, so these differ while all that trains is the same.
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
