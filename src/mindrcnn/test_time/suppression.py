"""Non-maximum suppression of one image's boxes: hard, or soft (Bodla et al., Soft-NMS, 2017, arXiv:1704.04503).

Hard and soft suppression are one greedy loop. The best remaining box is kept, and the scores of the others are
multiplied by a factor that depends on their IoU with it: 0 above the threshold, 1 - IoU above the threshold, or
exp(-IoU^2 / sigma). A box whose score falls to the score threshold is dropped. These are mmcv's factors; its
`min_score` is the score threshold here.

N is the number of boxes. IoUs are computed as ops/nms.py does, in float32 and without "+1".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Method = Literal["hard", "linear", "gaussian"]
Floats = NDArray[np.float32]


class Found(NamedTuple):
    """Boxes (N, 4) float32 xyxy, scores (N,) float32 and labels (N,) int32 of one image."""

    boxes: Floats
    scores: Floats
    labels: NDArray[np.int32]

    def select(self, index: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Found:
        """Returns the boxes at a slice, mask or list of positions."""
        return Found(self.boxes[index], self.scores[index], self.labels[index])


def joined(parts: list[Found]) -> Found:
    """Returns the boxes of several as one."""
    boxes, scores, labels = zip(*parts, strict=True)
    return Found(np.concatenate(boxes), np.concatenate(scores), np.concatenate(labels))


def ious(box: Floats, others: Floats) -> Floats:
    """Returns the IoU (N,) of a box (4,) with others (N, 4); two boxes without area have none."""
    corners = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    overlap = np.maximum(corners, 0).prod(axis=1)
    own, areas = (box[2] - box[0]) * (box[3] - box[1]), (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = (own + areas) - overlap
    return np.divide(overlap, union, out=np.zeros_like(union), where=union > 0)


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """Keeps the best boxes of an image.

    method: what becomes of the scores of overlapping boxes.
    iou_thresh: the IoU above which a box is dropped, or its score falls by 1 - IoU; without meaning for gaussian.
    sigma: the width of the gaussian factor.
    class_agnostic: whether boxes of different labels suppress each other too.
    score_thresh: boxes at or below this score are dropped, before and after their scores fall.
    limit: most boxes to keep.
    """

    method: Method = "hard"
    iou_thresh: float
    sigma: float = 0.5
    class_agnostic: bool = False
    score_thresh: float
    limit: int

    def __call__(self, found: Found) -> Found:
        """Returns the boxes kept, best score first."""
        usable = np.isfinite(found.boxes).all(axis=1) & (found.scores > self.score_thresh)
        boxes, scores, labels = found.select(usable)
        groups = [np.arange(len(labels))] if self.class_agnostic else [np.flatnonzero(labels == k) for k in set(labels)]
        kept, fallen = [np.zeros(0, np.intp)], [np.zeros(0, np.float32)]
        for group in groups:
            order, final = greedy(boxes[group], scores[group], self._factor(), self.score_thresh)
            kept.append(group[order])
            fallen.append(final)
        positions, final = np.concatenate(kept), np.concatenate(fallen)
        best = np.lexsort((positions, -final))[: self.limit]
        return Found(boxes[positions[best]], final[best], labels[positions[best]])

    def _factor(self) -> Callable[[Floats], Floats]:
        thresh, sigma = np.float32(self.iou_thresh), np.float32(self.sigma)
        factors: dict[str, Callable[[Floats], Floats]] = {
            "hard": lambda iou: (iou <= thresh).astype(np.float32),
            "linear": lambda iou: np.where(iou > thresh, 1 - iou, 1).astype(np.float32),
            "gaussian": lambda iou: np.exp(-(iou * iou) / sigma),
        }
        return factors[self.method]


def greedy(
    boxes: Floats, scores: Floats, factor: Callable[[Floats], Floats], score_thresh: float
) -> tuple[NDArray[np.intp], Floats]:
    """Returns the positions of the boxes kept, in the order they are chosen, and their scores at that time.

    boxes: (N, 4).
    scores: (N,), above the threshold.
    factor: gives, for the IoUs of a chosen box with those left, what their scores are multiplied by.
    score_thresh: a box whose score falls to it is dropped.
    """
    left, scores = np.arange(len(scores)), scores.astype(np.float32)
    kept, final = [], []
    while len(left):
        best = int(np.argmax(scores))  # the first of equals, as in a stable sort
        kept.append(left[best])
        final.append(scores[best])
        fallen = scores * factor(ious(boxes[best], boxes))
        stay = fallen > score_thresh
        stay[best] = False
        left, boxes, scores = left[stay], boxes[stay], fallen[stay]
    return np.array(kept, np.intp), np.array(final, np.float32)
