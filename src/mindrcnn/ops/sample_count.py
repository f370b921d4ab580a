"""The number of samples that a loss is divided by."""

from collections.abc import Callable

from mindspore import Tensor, ops

# The number of samples to divide by, from the number in this process's batch. A training of several processes gives the
# losses one that counts all of them and divides by the number of processes (engine/distributed/collectives.py): the
# mean of the processes' losses is then the loss of the whole batch, however unequal their shares of the samples are.
SampleCount = Callable[[Tensor], Tensor]


def at_least_one(count: Tensor) -> Tensor:
    """The count itself, a float32 scalar; 1 where there are no samples, whose loss is 0 then."""
    return ops.clamp(count, 1.0)
