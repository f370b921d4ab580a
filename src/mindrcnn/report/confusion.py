"""Confusion matrix with background: what objects of each class were taken for, at IoU 0.5.

Detections from the best-F1 score of their class on take part. COCO's matches come first; what is left of detections
and objects is then matched across classes in the order of the scores. What is left of that is background taken for
an object, and missed objects.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mindrcnn.report.error_kinds import POSITIVE_IOU
from mindrcnn.report.matches import Matches
from mindrcnn.report.matching import NOBODY, Rules, match
from mindrcnn.report.sides import Bools, Doubles, Ints

MOST_PAIRS = 200  # of confused classes that are listed


def shown_detections(matches: Matches, kept_from: Doubles) -> Bools:
    """Returns (N,) bool, the detections that take part: counted, not in a crowd, and from their class's score on."""
    return (matches.scores >= kept_from[matches.found.label]) & ~matches.excused()


def found_objects(matches: Matches, shown: Bools) -> Ints:
    """Returns (G,) int32, the shown detection of the right class that found each object; NOBODY without one."""
    found_by = np.full(len(matches.truth.label), NOBODY, np.int32)
    hits = np.flatnonzero(matches.correct() & shown)
    found_by[matches.matched()[hits]] = hits
    return found_by


def confusion(matches: Matches, kept_from: Doubles) -> dict[str, Any]:
    """Returns the matrix (C + 1, C + 1), rows true and columns predicted, background last, and its largest cells.

    matches: those of one kind of evaluation.
    kept_from: (C,) least score of each class.
    """
    truth, count = matches.truth, len(matches.truth.classes)
    shown = shown_detections(matches, kept_from)
    found_by = found_objects(matches, shown)
    mistaken = mistaken_for(matches, shown & ~matches.correct(), (found_by == NOBODY) & ~truth.crowd)
    true = np.full(len(shown), count)
    right = matches.correct()
    true[right] = matches.found.label[right]
    crossed = mistaken >= 0
    true[crossed] = truth.label[mistaken[crossed]]
    matrix = np.zeros((count + 1, count + 1), np.int64)
    np.add.at(matrix, (true[shown], matches.found.label[shown]), 1)
    missed = (found_by == NOBODY) & ~truth.crowd
    missed[mistaken[crossed]] = False
    np.add.at(matrix, (truth.label[missed], np.full(int(missed.sum()), count)), 1)
    return {"matrix": matrix.tolist(), "pairs": _largest(matrix)}


def mistaken_for(matches: Matches, detections: Bools, objects: Bools) -> Ints:
    """Returns (N,) int32, the object of another class that each detection takes; NOBODY without one.

    matches: those of one kind of evaluation.
    detections: (N,) bool, those to match.
    objects: (G,) bool, those that are free.
    """
    pairs = matches.overlaps
    usable = detections[pairs.found] & objects[pairs.object] & (pairs.iou >= POSITIVE_IOU)
    usable &= matches.truth.label[pairs.object] != matches.found.label[pairs.found]
    order = np.lexsort((-matches.scores, matches.found.image))
    turn = np.empty(len(order), np.int32)
    turn[order] = np.arange(len(order))
    rules = Rules(
        thresholds=np.array([POSITIVE_IOU]),
        ignored=np.zeros((len(objects), 1), bool),
        crowd=np.zeros(len(objects), bool),
    )
    turns = match(pairs.select(usable), group=matches.found.image, rank=turn, rules=rules)
    taken = np.full(len(detections), NOBODY, np.int32)
    taken[turns.found] = turns.object[:, 0]
    return taken


def _largest(matrix: Any) -> list[list[int]]:
    """Returns [true, predicted, count] of the largest cells of two different classes."""
    inner = matrix[:-1, :-1].copy()
    np.fill_diagonal(inner, 0)
    order = np.argsort(-inner, axis=None, kind="stable")[:MOST_PAIRS]
    rows, columns = np.unravel_index(order, inner.shape)
    cells = zip(rows.tolist(), columns.tolist(), inner[rows, columns].tolist(), strict=True)
    return [[row, column, count] for row, column, count in cells if count]
