"""Precision, recall and F1 of each class over the score, at IoU 0.5, and the score thresholds that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mindrcnn.report.matches import Matches
from mindrcnn.report.sides import Doubles

DRAWN_POINTS = 80  # of a curve in the page
DECIMALS = 4  # of a threshold, rounded down so that it keeps the detections it was measured with


@dataclass(frozen=True, eq=False)
class Curve:
    """What keeping the detections from each score on gives, from the highest score to the lowest.

    scores, precision, recall: (n,) float64, one for each score that occurs.
    """

    scores: Doubles
    precision: Doubles
    recall: Doubles

    @property
    def f1(self) -> Doubles:
        """Returns (n,) the harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    def at(self, place: int) -> dict[str, float]:
        """Returns the point of one score."""
        floor = np.floor(self.scores[place] * 10**DECIMALS + 1e-9) / 10**DECIMALS
        return {
            "score": float(floor),
            "precision": float(self.precision[place]),
            "recall": float(self.recall[place]),
            "f1": float(self.f1[place]),
        }


def find_curves(matches: Matches) -> list[Curve]:
    """Returns the curve of each class; without detections or objects it has no points."""
    truth = matches.truth
    correct, excused = matches.correct(), matches.excused()
    objects = np.bincount(truth.label[~truth.crowd], minlength=len(truth.classes))
    order = np.argsort(-matches.scores, kind="stable")
    order = order[~excused[order]]
    labels = matches.found.label[order]
    curves = []
    for label, positives in enumerate(objects.tolist()):
        members = order[labels == label] if positives else order[:0]
        scores = matches.scores[members]
        ends = np.flatnonzero(np.append(np.diff(scores) != 0, True)) if len(scores) else np.zeros(0, np.int64)
        true = np.cumsum(correct[members])[ends]
        curves.append(Curve(scores[ends], true / (ends + 1), true / max(positives, 1)))
    return curves


def best_f1(curve: Curve) -> dict[str, float] | None:
    """Returns the point with the best F1; None if nothing is found correctly."""
    if not len(curve.scores) or not curve.f1.any():
        return None
    return curve.at(int(np.argmax(curve.f1)))


def for_precision(curve: Curve, wanted: float) -> dict[str, float] | None:
    """Returns the point of the highest recall at which precision is at least `wanted`; None if it never is."""
    reached = np.flatnonzero(curve.precision >= wanted)
    return curve.at(int(reached[-1])) if len(reached) else None


def kept_from(points: Sequence[dict[str, Any] | None], default: float = 0.5) -> Doubles:
    """Returns (C,) the score from which on detections count as shown: that of each class's best F1."""
    return np.array([default if point is None else point["score"] for point in points])


def precision_recall(matches: Matches, *, precision: float) -> list[dict[str, Any]]:
    """Returns for each class its two thresholds and its curve, thinned out for drawing.

    matches: those of one kind of evaluation.
    precision: the precision for which a threshold is wanted.
    """
    documents = []
    for name, curve in zip(matches.truth.classes, find_curves(matches), strict=True):
        shown = _thin(curve)
        documents.append(
            {
                "name": name,
                "best_f1": best_f1(curve),
                "for_precision": for_precision(curve, precision),
                "curve": {
                    "score": np.round(curve.scores[shown], 4).tolist(),
                    "precision": np.round(curve.precision[shown], 4).tolist(),
                    "recall": np.round(curve.recall[shown], 4).tolist(),
                },
            }
        )
    return documents


def _thin(curve: Curve) -> Doubles:
    """Returns the places to draw: evenly over score and recall, both of which can be crowded, with the best F1."""
    count = len(curve.scores)
    if count <= DRAWN_POINTS:
        return np.arange(count)  # type: ignore[return-value]
    half = DRAWN_POINTS // 2
    by_score = np.searchsorted(-curve.scores, -np.linspace(curve.scores[0], curve.scores[-1], half)).clip(0, count - 1)
    by_recall = np.searchsorted(curve.recall, np.linspace(0, curve.recall[-1], half)).clip(0, count - 1)
    return np.unique(np.concatenate([by_score, by_recall, [0, int(np.argmax(curve.f1)), count - 1]]))
