"""Weighted box fusion of the views of one image (Solovyev et al., 2021, arXiv:1910.13302).

Boxes of one class, best score first, join the fused box that they overlap most, if by more than the threshold, and
otherwise begin a new one. A fused box is the mean of its boxes weighted by their scores. Its score is their mean score
times min(boxes, views) / views, so that what few views see ranks low.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mindrcnn.test_time.suppression import Floats, Found, ious, joined


@dataclass(frozen=True, kw_only=True)
class WeightedBoxFusion:
    """Merges the boxes of the views of an image.

    iou_thresh: the IoU above which boxes are of one object.
    score_thresh: fused boxes at or below this score are dropped.
    limit: most boxes to keep.
    """

    iou_thresh: float
    score_thresh: float
    limit: int

    def __call__(self, views: list[Found]) -> Found:
        """Returns the fused boxes, best score first."""
        found = joined(views)
        fused = [self._fuse_class(found, label, len(views)) for label in sorted(set(found.labels.tolist()))]
        merged = joined([found.select(slice(0, 0)), *fused])
        best = np.argsort(-merged.scores, kind="stable")
        return merged.select(best[merged.scores[best] > self.score_thresh][: self.limit])

    def _fuse_class(self, found: Found, label: int, views: int) -> Found:
        own = found.labels == label
        order = np.argsort(-found.scores[own], kind="stable")
        boxes, scores = found.boxes[own][order], found.scores[own][order]
        fused = np.zeros((0, 4), np.float32)
        members: list[list[int]] = []
        for position, box in enumerate(boxes):
            overlaps = ious(box, fused)
            best = int(np.argmax(overlaps)) if len(members) else 0
            if not len(members) or overlaps[best] <= self.iou_thresh:
                fused = np.concatenate((fused, box[None]))
                members.append([position])
                continue
            members[best].append(position)
            fused[best] = weighted_mean(boxes[members[best]], scores[members[best]])
        final = [scores[one].mean() * min(len(one), views) / views for one in members]
        return Found(fused, np.array(final, np.float32), np.full(len(fused), label, np.int32))


def weighted_mean(boxes: Floats, scores: Floats) -> Floats:
    """Returns the mean (4,) of boxes (N, 4), weighted by scores (N,)."""
    weights = scores.astype(np.float64)
    mean: Floats = ((boxes * weights[:, None]).sum(axis=0) / weights.sum()).astype(np.float32)
    return mean
