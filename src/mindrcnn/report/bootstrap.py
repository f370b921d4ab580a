"""Bootstrap over images: how much a number would differ on another sample of as many images.

A resample draws I images with replacement, so each image counts some number of times. The matches stay the same, so
a resample costs a weighted sum and no evaluation. Equal seeds draw equal resamples: runs on the same images are
compared resample by resample, which leaves out what both owe to the images.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from mindrcnn.evaluation.coco.metrics import NOTHING_TO_FIND
from mindrcnn.report.matches import Matches
from mindrcnn.report.precision import Scores, Weights, compute_scores
from mindrcnn.report.sides import Doubles

CONFIDENCE = 0.95
AT_ONCE = 16_000_000  # detections times resamples, which bounds the memory
FEWEST_RESAMPLES = 20  # from which an interval can be read
FEWEST_IMAGES = 5  # with objects of a class; of fewer a resample says nothing


def draw_weights(images: int, resamples: int, seed: int) -> Weights:
    """Returns (resamples, images) int32, how often each image was drawn."""
    draws = np.random.default_rng(seed).integers(0, images, size=(resamples, images))
    counts = [np.bincount(row, minlength=images) for row in draws]
    return np.array(counts, np.int32).reshape(-1, images)


def resampled_scores(matches: Matches, weights: Weights) -> Scores:
    """Computes AP and recall of the images themselves (row 0) and of each resample (the rows after it)."""
    once = np.ones((1, len(matches.truth.image_ids)), np.int32)
    parts = [compute_scores(matches, once)]
    step = max(AT_ONCE // max(len(matches.scores), 1), 1)
    for start in range(0, len(weights), step):
        parts.append(compute_scores(matches, weights[start : start + step]))
    return Scores(
        ap=np.concatenate([part.ap for part in parts]),
        recall=np.concatenate([part.recall for part in parts]),
        few_recall=np.concatenate([part.few_recall for part in parts]),
    )


def mean_of_existing(values: Doubles) -> Doubles:
    """Averages all axes but the first over the entries that exist (are above -1); -1 without any."""
    flat = values.reshape(len(values), -1)
    exists = flat > NOTHING_TO_FIND
    count = exists.sum(axis=1)
    total = np.where(exists, flat, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), NOTHING_TO_FIND)


def interval(values: Doubles) -> tuple[float, float] | None:
    """Returns the bias-corrected percentile interval (Efron and Tibshirani, An Introduction to the Bootstrap, 14.3).

    values: (B,), of the images themselves and, after it, of the resamples; NaN where a resample has none.
    Returns None if fewer than half of the resamples, or than FEWEST_RESAMPLES, have a value.
    """
    resamples = values[1:]
    existing = np.sort(resamples[np.isfinite(resamples)])
    if len(existing) < max(len(resamples) / 2, FEWEST_RESAMPLES):
        return None
    # Resamples repeat images, which shifts AP; the shift is known from where the images' own value lies among theirs.
    below = (np.searchsorted(existing, values[0], "left") + np.searchsorted(existing, values[0], "right")) / 2
    normal = NormalDist()
    shift = normal.inv_cdf(min(max(below / len(existing), 1 / len(existing)), 1 - 1 / len(existing)))
    reach = normal.inv_cdf((1 + CONFIDENCE) / 2)
    low, high = (100 * normal.cdf(2 * shift + side * reach) for side in (-1, 1))
    return float(np.percentile(existing, low)), float(np.percentile(existing, high))


def without_missing(values: Doubles) -> Doubles:
    """Returns the values with NaN for -1."""
    return np.where(values > NOTHING_TO_FIND, values, np.nan)
