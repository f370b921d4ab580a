"""COCO's matches of one kind of evaluation, for all IoU thresholds and size ranges, computed once and shared by all
questions.

T is the number of IoU thresholds (0.5 to 0.95), A that of size ranges (all, small, medium, large).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as mask_api

from mindrcnn.evaluation.coco.metrics import AREAS, IOU_THRESHOLDS, IouType
from mindrcnn.report.matching import NOBODY, Rules, Turns, match
from mindrcnn.report.overlaps import Overlaps, find_overlaps
from mindrcnn.report.sides import Bools, Doubles, Found, Ints, Truth

SIZE_LIMITS = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))  # in the order of AREAS
AREAS_AT_ONCE = 255  # pycocotools puts their number into a byte, which NumPy warns about from 256 on


@dataclass(frozen=True, eq=False, kw_only=True)
class Matches:
    """Detections of one kind with what each matched.

    kind: bbox, segm or boundary.
    truth, found: the two sides.
    overlaps: all pairs that overlap; for boundaries those of the same class with an IoU of masks from 0.5.
    scores: (N,) float64, by which detections of this kind rank.
    rank: (N,) int32, place among the detections of the class in the image, from 0.
    counted: (N,) bool, whether COCO counts the detection: those beyond `max_detections` of a rank it does not.
    max_detections: most detections of a class in an image.
    out_of_range: (A, N) bool, detections whose own size is outside the range.
    ignored_objects: (A, G) bool, crowds and objects outside the range.
    turns: the matches; column a * T + t is for size range a and threshold t.
    """

    kind: IouType
    truth: Truth
    found: Found
    overlaps: Overlaps
    scores: Doubles
    rank: Ints
    counted: Bools
    max_detections: int
    out_of_range: Bools
    ignored_objects: Bools
    turns: Turns

    def column(self, area: int, threshold: int) -> Ints:
        """Returns (M,) the objects that `turns.found` matched for a size range and a threshold."""
        return self.turns.object[:, area * len(IOU_THRESHOLDS) + threshold]

    def matched(self) -> Ints:
        """Returns (N,) int32, the object of each detection at IoU 0.5, crowds included; NOBODY without one."""
        matched = np.full(len(self.scores), NOBODY, np.int32)
        matched[self.turns.found] = self.column(0, 0)
        return matched

    def correct(self) -> Bools:
        """Returns (N,) bool, whether a detection found an object at IoU 0.5."""
        matched = self.matched()
        return (matched >= 0) & ~self.truth.crowd[matched]

    def excused(self) -> Bools:
        """Returns (N,) bool, detections that are neither right nor wrong: inside a crowd, or not counted."""
        matched = self.matched()
        return ((matched >= 0) & self.truth.crowd[matched]) | ~self.counted


def find_matches(truth: Truth, found: Found, kind: IouType, *, max_detections: int) -> Matches:
    """Matches detections to objects as COCO does."""
    overlaps = find_overlaps(truth, found, kind)
    scores = found.scores if kind == "bbox" else found.mask_scores
    group = found.image * np.int32(len(truth.classes)) + found.label
    rank = _rank(group, scores)
    counted = rank < max_detections
    low, high = (np.array(limits)[:, None] for limits in zip(*SIZE_LIMITS, strict=True))
    areas = _areas(found, kind)
    ignored = truth.crowd | (truth.areas < low) | (truth.areas > high)
    same = (truth.label[overlaps.object] == found.label[overlaps.found]) & counted[overlaps.found]
    count = len(IOU_THRESHOLDS)
    turns = match(
        overlaps.select(same & (overlaps.iou >= IOU_THRESHOLDS[0])),
        group=group,
        rank=rank,
        rules=Rules(
            thresholds=np.tile(IOU_THRESHOLDS, len(AREAS)),
            ignored=np.repeat(ignored.T, count, axis=1),
            crowd=truth.crowd,
        ),
    )
    return Matches(
        kind=kind,
        truth=truth,
        found=found,
        overlaps=overlaps,
        scores=scores,
        rank=rank,
        counted=counted,
        max_detections=max_detections,
        out_of_range=(areas < low) | (areas > high),
        ignored_objects=ignored,
        turns=turns,
    )


def _areas(found: Found, kind: IouType) -> Doubles:
    if kind == "bbox" or not found.masks:
        return found.boxes[:, 2] * found.boxes[:, 3]
    masks = list(found.masks)
    parts = [mask_api.area(masks[start : start + AREAS_AT_ONCE]) for start in range(0, len(masks), AREAS_AT_ONCE)]
    return np.concatenate(parts).astype(np.float64)


def _rank(group: Ints, scores: Doubles) -> Ints:
    """Returns (N,) the place of each detection in its group by score; of equal scores the earlier first."""
    order = np.lexsort((-scores, group))
    sorted_group = group[order]
    place = np.arange(len(order))
    first = np.maximum.accumulate(np.where(np.diff(sorted_group, prepend=-1) != 0, place, 0)) if len(order) else place
    rank = np.empty(len(order), np.int32)
    rank[order] = place - first
    return rank
