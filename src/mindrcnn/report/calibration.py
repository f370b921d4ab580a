"""Calibration: whether detections with a score of 0.8 are right in 8 of 10 cases, and whether predicted mask IoUs
are true.

The error of the scores is D-ECE (Kueppers et al., 2020, arXiv:2004.13546) over the score alone, not over place and
size of the boxes: the mean over detections of |precision - mean score| of their bin. A detection is right if it
found an object of its class at IoU 0.5.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.evaluation.coco.mask_calibration import correlation
from mindrcnn.report.error_kinds import Errors
from mindrcnn.report.matches import Matches
from mindrcnn.report.sides import Bools, Doubles

BINS = 20
LEAST_SCORE = 0.05  # the many detections below it would hide the others; detectors report none of them by default


def score_calibration(matches: Matches) -> dict[str, Any]:
    """Returns the reliability diagram of all classes together, and the error of the scores overall and by class."""
    used = ~matches.excused() & (matches.scores >= LEAST_SCORE)
    scores, right, label = matches.scores[used], matches.correct()[used], matches.found.label[used]
    bins = reliability(scores, right.astype(np.float64))
    by_class: dict[int, Bools] = defaultdict(lambda: np.zeros(len(label), bool))
    for one in np.unique(label).tolist():
        by_class[one] = label == one
    return {
        "least_score": LEAST_SCORE,
        "detections": int(used.sum()),
        "error": expected_error(bins),
        "bins": bins,
        "per_class": [
            {
                "name": name,
                "detections": int(by_class[place].sum()),
                "error": expected_error(
                    reliability(scores[by_class[place]], right[by_class[place]].astype(np.float64))
                ),
            }
            for place, name in enumerate(matches.truth.classes)
        ],
    }


def iou_calibration(matches: Matches, errors: Errors) -> dict[str, Any] | None:
    """Compares the predicted mask IoU of detections that overlap an object of their class with the true one.

    Returns None if the detector predicts none.
    """
    predicted: NDArray[np.float64] | None = matches.found.predicted_ious
    if predicted is None or matches.kind != "segm":
        return None
    used = np.isfinite(predicted) & (errors.iou > 0)
    predicted, true = predicted[used], errors.iou[used]
    bins = reliability(predicted, true)
    return {
        "detections": int(used.sum()),
        "error": expected_error(bins),
        "bins": bins,
        "mean_error": float((predicted - true).mean()) if len(true) else None,
        "mean_absolute_error": float(np.abs(predicted - true).mean()) if len(true) else None,
        "correlation": correlation(predicted, true),
    }


def reliability(said: Doubles, happened: Doubles) -> list[dict[str, float]]:
    """Returns the bins that hold anything: their limits, count, and means of what was said and of what happened."""
    place = np.clip((said * BINS).astype(np.int64), 0, BINS - 1)
    bins = []
    for one in np.unique(place).tolist():
        inside = place == one
        bins.append(
            {
                "low": one / BINS,
                "high": (one + 1) / BINS,
                "count": int(inside.sum()),
                "said": float(said[inside].mean()),
                "happened": float(happened[inside].mean()),
            }
        )
    return bins


def expected_error(bins: list[dict[str, float]]) -> float | None:
    """Returns the mean difference of the bins, weighted by their counts; None without any."""
    total = sum(one["count"] for one in bins)
    return sum(one["count"] * abs(one["said"] - one["happened"]) for one in bins) / total if total else None
