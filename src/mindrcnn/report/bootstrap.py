"""Bootstrap over images: how much a number would differ on another sample of as many images.

A resample draws I images with replacement, so each image counts some number of times. The matches stay the same, so
a resample costs a weighted sum and no evaluation. Equal seeds draw equal resamples: runs on the same images are
compared resample by resample, which leaves out what both owe to the images.
"""

from __future__ import annotations

import numpy as np

from mindrcnn.evaluation.coco.metrics import NOTHING_TO_FIND
from mindrcnn.report.matches import Matches
from mindrcnn.report.precision import Scores, Weights, compute_scores
from mindrcnn.report.sides import Doubles

CONFIDENCE = 0.95
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
    return compute_scores(matches, np.concatenate([once, weights]))


def mean_of_existing(values: Doubles) -> Doubles:
    """Averages all axes but the first over the entries that exist (are above -1); -1 without any."""
    flat = values.reshape(len(values), -1)
    exists = flat > NOTHING_TO_FIND
    count = exists.sum(axis=1)
    total = np.where(exists, flat, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), NOTHING_TO_FIND)


def interval(values: Doubles) -> tuple[float, float] | None:
    """Returns the range of the middle 95 % of the resamples, moved so that their mean is the images' own value.

    Resamples repeat images, which makes precision uneven, and AP, which takes the best precision from each recall on,
    a little higher. With many classes that shift is larger than the spread, so it has to be taken out.

    values: (B,), of the images themselves and, after it, of the resamples; NaN where a resample has none.
    Returns None if fewer than half of the resamples, or than FEWEST_RESAMPLES, have a value.
    """
    resamples = values[1:]
    existing = resamples[np.isfinite(resamples)]
    if len(existing) < max(len(resamples) / 2, FEWEST_RESAMPLES):
        return None
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(existing, (tail, 100 - tail)) - existing.mean() + values[0]
    return float(low), float(high)


def without_missing(values: Doubles) -> Doubles:
    """Returns the values with NaN for -1."""
    return np.where(values > NOTHING_TO_FIND, values, np.nan)
