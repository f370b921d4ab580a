"""The fit of anchors to objects at the size that the network gets them in.

Letters in shapes: m objects, A kinds of anchors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

STRIDES = (4, 8, 16, 32, 64)  # of P2..P6
MOST_OBJECTS = 20_000  # that are looked at; a random choice of more
BLOCK = 2048  # boxes that are looked at together: their intermediate values stay in the processor's cache
BASES = (8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96)  # sizes on P2; each level above has twice the size
RATIOS = ((0.5, 1.0, 2.0), (1 / 3, 1.0, 3.0), (0.25, 0.5, 1.0, 2.0, 4.0), (1.0, 2.0, 4.0), (0.25, 0.5, 1.0))
WORTHWHILE = 0.05  # gain in the share of objects that is worth a proposal


def sample(boxes: Doubles) -> Doubles:
    """Returns the boxes (m, 4), or MOST_OBJECTS of them."""
    if len(boxes) <= MOST_OBJECTS:
        return boxes
    return boxes[np.random.default_rng(0).choice(len(boxes), MOST_OBJECTS, replace=False)]


def best_ious(boxes: Doubles, sizes: Sequence[float], ratios: Sequence[float]) -> Doubles:
    """Returns the IoU (m,) of each box with its best anchor, which lies at the nearest cell of its level.

    boxes: (m, 4) xyxy in pixels of the network's input.
    sizes: square root of the anchors' area on P2..P6.
    ratios: height / width of the anchors.
    """
    blocks = [_best_ious(boxes[first : first + BLOCK], sizes, ratios) for first in range(0, len(boxes), BLOCK)]
    return np.concatenate([np.zeros(0), *blocks])


def _best_ious(boxes: Doubles, sizes: Sequence[float], ratios: Sequence[float]) -> Doubles:
    low, high = boxes[:, :2].T.copy(), boxes[:, 2:].T.copy()  # (2, m): NumPy is slow along an axis of two
    centre, side = (low + high) / 2, high - low
    half, area = side / 2, side.prod(axis=0)
    best = np.zeros(len(boxes))
    for stride, size in zip(STRIDES, sizes, strict=True):
        offset = np.abs(centre - np.round(centre / stride) * stride)
        for ratio in ratios:
            anchor = np.array([[size / np.sqrt(ratio)], [size * np.sqrt(ratio)]])
            overlap = np.minimum(half, anchor / 2 - offset) + np.minimum(half, anchor / 2 + offset)
            shared = np.maximum(np.minimum(overlap, np.minimum(side, anchor)), 0).prod(axis=0)
            best = np.maximum(best, shared / (area + anchor.prod() - shared))
    return best


def propose_anchors(
    boxes: Doubles, sizes: Sequence[float], ratios: Sequence[float], *, threshold: float
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Returns sizes and ratios with which clearly more objects reach the threshold; None if there are none.

    boxes, sizes, ratios: see `best_ious`.
    threshold: the IoU from which the RPN takes an anchor for an object.
    """
    if not len(boxes):
        return None
    share = float((best_ious(boxes, sizes, ratios) >= threshold).mean())
    best, choice = share + WORTHWHILE, None
    choices = tuple(dict.fromkeys((tuple(ratios), *RATIOS)))
    every = sorted({ratio for shapes in choices for ratio in shapes})
    for base in BASES:
        candidate = tuple(float(base * 2**level) for level in range(len(STRIDES)))
        fits = {ratio: best_ious(boxes, candidate, (ratio,)) >= threshold for ratio in every}
        for shapes in choices:
            gain = WORTHWHILE * (len(shapes) - len(ratios)) / 2  # more shapes cost time and negatives
            reached = float(np.any([fits[ratio] for ratio in shapes], axis=0).mean()) - max(gain, 0.0)
            if reached > best:
                best, choice = reached, (candidate, tuple(round(one, 3) for one in shapes))
    return choice
