"""Random choice of positives and negatives for a loss, in fixed shapes.

Letters in shapes: B images, N candidates, P positive slots.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops.arange import arange
from mindrcnn.ops.matcher import NEGATIVE, POSITIVE
from mindrcnn.ops.topk import topk

# The key of a candidate is minus its noise, in (-1, 0]; everything else gets a key clearly below.
_NO_CANDIDATE = -2.0
_LOWEST_CANDIDATE = -1.5


def sample_balanced(
    state: Tensor, noise: Tensor, *, count: int, max_positives: int, negatives_per_positive: float = 0.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Samples up to `count` distinct candidates per image, smallest noise first, with a bounded share of positives.

    Positives fill up to P = max_positives slots; negatives fill the rest of `count`.
    Returns pos_index (B, P) int32, pos_valid (B, P) bool, neg_index (B, count) int32, neg_valid (B, count) bool; unused
    slots come last, with index 0 and valid False.

    state: (B, N) int32, as match() returns it.
    noise: (B, N) float32 in [0, 1), uniform for a random choice.
    count: samples per image.
    max_positives: positives among them.
    negatives_per_positive: most negatives for each positive, and for none as for one; 0 sets no limit.
    """
    pos_index, pos_valid = _smallest_noise(state == POSITIVE, noise, max_positives)
    neg_index, neg_valid = _smallest_noise(state == NEGATIVE, noise, count)
    sampled = pos_valid.astype(ms.int32).sum(axis=1, keepdims=True)
    left = count - sampled
    if negatives_per_positive > 0:
        limit = ops.maximum(sampled, ops.ones_like(sampled)).astype(ms.float32) * negatives_per_positive
        left = ops.minimum(left, limit.astype(ms.int32))
    neg_valid = ops.logical_and(neg_valid, arange(count) < left)
    return pos_index, pos_valid, ops.where(neg_valid, neg_index, 0).astype(ms.int32), neg_valid


def _smallest_noise(candidates: Tensor, noise: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    """Returns indices (B, slots) int32 of the candidates with the smallest noise, and filled (B, slots) bool."""
    images, length = candidates.shape
    keys, index = topk(ops.where(candidates, -noise, _NO_CANDIDATE), slots)
    filled = keys > _LOWEST_CANDIDATE
    index = index * filled.astype(ms.int32)
    if length < slots:
        spare = ops.zeros((images, slots - length), ms.int32)
        index = ops.concat((index, spare), axis=1)
        filled = ops.concat((filled, spare > 0), axis=1)
    return index, filled
