"""Average precision and recall as COCO defines them, for many weightings of the images at once.

A weighting counts each image some number of times: once each for COCO's own numbers, as often as it was drawn for a
bootstrap resample. B is the number of weightings. Between two true positives precision only falls, so the curves are
computed at these alone; what is between them is counted by one cumulative sum a class and size range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mindrcnn.evaluation.coco.metrics import AREAS, IOU_THRESHOLDS, NOTHING_TO_FIND
from mindrcnn.report.matches import Matches
from mindrcnn.report.sides import Bools, Doubles

RECALLS = np.linspace(0.0, 1.0, 101)
AT_ONCE = 4_000_000  # detections of a class times weightings, which bounds the memory
FEW = (1, 10)  # detections of a class in an image that AR1 and AR10 count
Weights = NDArray[np.int32]  # (B, I), how often each image counts


@dataclass(frozen=True, eq=False)
class Scores:
    """AP and recall by weighting, size range, threshold and class; -1 where there is no object.

    ap, recall: (B, A, T, C) float64.
    few_recall: (B, 2, T, C) float64, recall of the best 1 and 10 detections, for objects of all sizes.
    """

    ap: Doubles
    recall: Doubles
    few_recall: Doubles

    def of(self, weightings: slice) -> Scores:
        """Returns those of some weightings, which share the memory."""
        return Scores(self.ap[weightings], self.recall[weightings], self.few_recall[weightings])


@dataclass(frozen=True, eq=False)
class _Ranked:
    """The detections of a class and size range in the order of their scores.

    found: (n,) places of the detections.
    place: (N,) int64, the place of each detection in `found`; only those of the class are set.
    inside: (n,) bool, whether the detection's own size is in the range.
    """

    found: NDArray[np.int64]
    place: NDArray[np.int64]
    inside: Bools


def compute_scores(matches: Matches, weights: Weights) -> Scores:
    """Computes AP and recall of every class for each weighting."""
    truth, found = matches.truth, matches.found
    shape = (len(weights), len(AREAS), len(IOU_THRESHOLDS), len(truth.classes))
    ap, recall = np.full(shape, NOTHING_TO_FIND), np.full(shape, NOTHING_TO_FIND)
    few = np.full((shape[0], len(FEW), *shape[2:]), NOTHING_TO_FIND)
    counted = np.flatnonzero(matches.counted)
    order = counted[np.lexsort((matches.rank[counted], found.image[counted], -matches.scores[counted]))]
    place = np.zeros(len(matches.scores), np.int64)
    scores = Scores(ap, recall, few)
    for label in range(len(truth.classes)):
        ranked = order[found.label[order] == label]
        place[ranked] = np.arange(len(ranked))
        rows = np.flatnonzero(found.label[matches.turns.found] == label)
        step = max(AT_ONCE // max(len(ranked), 1), 1)
        for start in range(0, len(weights), step):
            part = slice(start, start + step)
            _score_class(matches, label, rows, (ranked, place), weights[part], scores.of(part))
    return scores


def _score_class(
    matches: Matches,
    label: int,
    rows: NDArray[np.int64],
    order: tuple[NDArray[np.int64], NDArray[np.int64]],
    weights: Weights,
    scores: Scores,
) -> None:
    """Sets the scores of a class.

    label: the class.
    rows: those of `matches.turns` of the class.
    order: its detections by score, and the place of each detection among them.
    weights: the weightings.
    scores: those of all classes.
    """
    truth = matches.truth
    of_class = _columns(weights, matches.found.image[order[0]])
    for area in range(len(AREAS)):
        is_object = (truth.label == label) & ~matches.ignored_objects[area]
        if not is_object.any():
            continue
        positives = _columns(weights, truth.image[is_object]).sum(axis=1)
        inside = _Ranked(*order, ~matches.out_of_range[area, order[0]])
        with np.errstate(invalid="ignore", divide="ignore"):  # for resamples without an object
            values = _curves(matches, rows, area, inside, of_class, positives)
        exists = positives > 0
        scores.ap[exists, area, :, label] = values[0][exists]
        scores.recall[exists, area, :, label] = values[1][exists]
        if area == 0:
            scores.few_recall[exists, :, :, label] = values[2][exists]


def _curves(
    matches: Matches,
    rows: NDArray[np.int64],
    area: int,
    ranked: _Ranked,
    weights: Weights,
    positives: NDArray[np.int64],
) -> tuple[Doubles, Doubles, Doubles]:
    """Computes AP (B, T), recall (B, T) and the recall of few detections (B, 2, T) of a class in a size range.

    rows: those of `matches.turns` of the class.
    area: the size range.
    ranked: detections of the class.
    weights: (B, n), of the images of these detections.
    positives: (B,), how many objects there are.
    """
    members = matches.turns.found[rows]
    reached = _reached(positives)
    places = ranked.place[members]
    by_score = np.argsort(places)
    members, places, rows = members[by_score], places[by_score], rows[by_score]
    inside_before = np.cumsum(ranked.inside) - 1
    inside = weights if ranked.inside.all() else _columns(weights, np.flatnonzero(ranked.inside))
    totals = np.zeros((len(weights), inside.shape[1] + 1), np.int32)
    np.cumsum(inside, axis=1, dtype=np.int32, out=totals[:, 1:])
    own = _columns(weights, places)
    count = len(IOU_THRESHOLDS)
    ap, recall = np.zeros((len(weights), count)), np.zeros((len(weights), count))
    few = np.zeros((len(weights), len(FEW), count))
    for threshold in range(count):
        taken = matches.column(area, threshold)[rows]
        hit = (taken >= 0) & ~matches.ignored_objects[area, taken]
        excused = (taken >= 0) & matches.ignored_objects[area, taken]
        # Counted though its own size is outside the range, or not counted though it is inside.
        change = (hit & ~ranked.inside[places]).astype(np.int32) - (excused & ranked.inside[places])
        hits = np.flatnonzero(hit)
        total = _columns(totals, inside_before[places[hits]] + 1)
        changed = np.flatnonzero(change)
        if len(changed):
            changes = np.zeros((len(weights), len(changed) + 1), np.int32)
            np.cumsum(_columns(own, changed) * change[changed], axis=1, dtype=np.int32, out=changes[:, 1:])
            total += _columns(changes, np.searchsorted(changed, hits, side="right"))
        mine = _columns(own, hits)
        true = np.cumsum(mine, axis=1, dtype=np.int32)
        ap[:, threshold], recall[:, threshold] = _average(true, total, positives, reached)
        for place, limit in enumerate(FEW):
            best = np.flatnonzero(matches.rank[members[hits]] < limit)
            few[:, place, threshold] = _columns(mine, best).sum(axis=1) / positives
    return ap, recall, few


def _columns(values: NDArray[np.int32], places: NDArray[np.integer]) -> NDArray[np.int32]:
    """Returns `values[:, places]`, which NumPy would lay out by columns: sums along rows are slow then."""
    return np.take(values, places, axis=1)


def _reached(positives: NDArray[np.int64]) -> NDArray[np.int16]:
    """Returns (B, most + 1), how many of RECALLS each number of true positives reaches.

    positives: (B,), how many objects there are.
    """
    recall = np.arange(positives.max() + 1) / positives[:, None]
    return np.searchsorted(RECALLS, recall, side="right").astype(np.int16)


def _average(
    true: NDArray[np.int32], total: NDArray[np.int32], positives: NDArray[np.int64], reached: NDArray[np.int16]
) -> tuple[Doubles, Doubles]:
    """Computes AP and recall (B,).

    true, total: (B, n), numbers of true positives and of detections at each true positive.
    positives: (B,), how many objects there are.
    reached: see `_reached`.
    """
    if not true.shape[1]:
        return np.zeros(len(true)), np.zeros(len(true))
    precision = true / (total + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    steps = np.diff(np.take_along_axis(reached, true, axis=1), axis=1, prepend=np.int16(0))
    return np.einsum("ij,ij->i", envelope, steps) / len(RECALLS), true[:, -1] / positives
