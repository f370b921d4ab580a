"""Loss terms without reduction, finite for all finite inputs."""

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, ops

# Maps the number of samples in this process's batch to the number to divide by. In training with several processes it
# counts the samples of all of them and divides by the number of processes (engine/distributed/collectives.py): the mean
# of the processes' losses is then the loss of the whole batch, however unevenly the samples are spread.
SampleCount = Callable[[Tensor], Tensor]


def smooth_l1(pred: Tensor, target: Tensor, beta: float) -> Tensor:
    """Returns elementwise smooth L1 distances: 0.5 d^2 / beta below beta, else |d| - beta / 2; beta 0 is plain L1."""
    distance = ops.abs(pred - target)
    if beta == 0:
        return distance
    return ops.where(distance < beta, (0.5 / beta) * distance * distance, distance - 0.5 * beta)


def giou_loss(boxes: Tensor, targets: Tensor, eps: float = 1e-7) -> Tensor:
    """Returns 1 - GIoU (...) of boxes (..., 4) and targets (..., 4), from 0 to 2 (https://arxiv.org/abs/1902.09630).

    `eps` is added to both divisors, as in fvcore; mmdetection's lower limit on them gives the same to within float32's
    rounding for boxes of a pixel or more.
    """
    x1, y1, x2, y2 = ops.unstack(boxes, axis=-1)
    target_x1, target_y1, target_x2, target_y2 = ops.unstack(targets, axis=-1)
    width = ops.minimum(x2, target_x2) - ops.maximum(x1, target_x1)
    height = ops.minimum(y2, target_y2) - ops.maximum(y1, target_y1)
    shared = ops.relu(width) * ops.relu(height)
    union = (x2 - x1) * (y2 - y1) + (target_x2 - target_x1) * (target_y2 - target_y1) - shared
    hull_width = ops.maximum(x2, target_x2) - ops.minimum(x1, target_x1)
    hull = hull_width * (ops.maximum(y2, target_y2) - ops.minimum(y1, target_y1))
    return 1 - shared / (union + eps) + (hull - union) / (hull + eps)


def bce_with_logits(logits: Tensor, target: Tensor) -> Tensor:
    """Returns the elementwise binary cross-entropy of sigmoid(logits) with a target in 0..1 of the same shape."""
    positive = ops.relu(logits)
    # |logits| with the left derivative at 0, which relu has; with ops.abs the gradient there would be -target
    magnitude = 2 * positive - logits
    return positive - logits * target + ops.log1p(ops.exp(-magnitude))


def softmax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the cross-entropy (N,) of softmax(logits (N, C)) with labels (N,) int32 in 0..C-1."""
    log_probability = ops.log_softmax(logits, axis=1)
    return -ops.gather_elements(log_probability, 1, labels.astype(ms.int32).expand_dims(1))[:, 0]


def at_least_one(count: Tensor) -> Tensor:
    """Returns the count, a float32 scalar, or 1 if there are no samples; the loss is then 0."""
    return ops.clamp(count, 1.0)
