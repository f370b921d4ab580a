"""Loss terms without reduction, finite for inputs of any finite size."""

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, ops

# The number of samples to divide by, from the number in this process's batch. A training of several processes gives the
# losses one that counts all of them and divides by the number of processes (engine/distributed/collectives.py): the
# mean of the processes' losses is then the loss of the whole batch, however unequal their shares of the samples are.
SampleCount = Callable[[Tensor], Tensor]


def smooth_l1(pred: Tensor, target: Tensor, beta: float) -> Tensor:
    """Elementwise smooth L1 distance: 0.5 d^2 / beta below beta, |d| - beta / 2 from there; beta 0 is plain L1."""
    distance = ops.abs(pred - target)
    if beta == 0:
        return distance
    return ops.where(distance < beta, (0.5 / beta) * distance * distance, distance - 0.5 * beta)


def bce_with_logits(logits: Tensor, target: Tensor) -> Tensor:
    """Elementwise binary cross-entropy of sigmoid(logits) with target in 0..1 of the same shape."""
    positive = ops.relu(logits)
    # |logits| with the left derivative at 0, as relu has it; with ops.abs the gradient there would be -target
    magnitude = 2 * positive - logits
    return positive - logits * target + ops.log1p(ops.exp(-magnitude))


def softmax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy [N] of softmax(logits [N, C]) with labels [N] int32 in 0..C-1."""
    log_probability = ops.log_softmax(logits, axis=1)
    return -ops.gather_elements(log_probability, 1, labels.astype(ms.int32).expand_dims(1))[:, 0]


def at_least_one(count: Tensor) -> Tensor:
    """The count itself, a float32 scalar; 1 where there are no samples, whose loss is 0 then."""
    return ops.clamp(count, 1.0)
