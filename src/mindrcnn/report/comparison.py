"""Two runs on the same images: what differs, and by more than chance.

Differences have intervals of a paired bootstrap: both runs are scored on the same resamples, so what is hard or easy
about an image cancels out. A difference whose interval contains 0 can be noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mindrcnn.report.bootstrap import FEWEST_IMAGES, interval, mean_of_existing, without_missing
from mindrcnn.report.gallery import View
from mindrcnn.report.precision import Scores
from mindrcnn.report.sides import Doubles, Truth
from mindrcnn.report.tables import METRICS, images_with_objects

LISTED_IMAGES = 50


def compare_scores(truth: Truth, first: Scores, other: Scores) -> dict[str, Any]:
    """Returns the differences, other minus first, of the metrics and of each class's AP.

    truth: the split.
    first, other: scores with the same resamples.
    """
    images = images_with_objects(truth)
    return {
        "metrics": {
            name: difference(mean_of_existing(values(first)), mean_of_existing(values(other)))
            for name, values in METRICS.items()
        },
        "per_class": [
            {
                "name": name,
                "AP": difference(
                    mean_of_existing(first.ap[:, 0, :, label]),
                    mean_of_existing(other.ap[:, 0, :, label]),
                    enough=bool(images[label] >= FEWEST_IMAGES),
                ),
            }
            for label, name in enumerate(truth.classes)
        ],
    }


def difference(first: Doubles, other: Doubles, *, enough: bool = True) -> dict[str, Any]:
    """Returns both values, their difference, its interval and a verdict: better, worse, noise or unknown.

    first, other: (B,), of which the first entry is that of the images and the others of the same resamples.
    enough: whether there are enough images for an interval.
    """
    values = {"first": float(first[0]), "other": float(other[0])}
    gain = without_missing(other) - without_missing(first)
    if not np.isfinite(gain[0]):
        return values | {"difference": None, "interval": None, "verdict": "unknown"}
    limits = interval(gain) if enough else None
    return values | {
        "difference": float(gain[0]),
        "interval": None if limits is None else list(limits),
        "verdict": _verdict(limits),
    }


def _verdict(limits: tuple[float, float] | None) -> str:
    if limits is None:
        return "unknown"
    low, high = limits
    return "better" if low > 0 else "worse" if high < 0 else "noise"


def compare_objects(first: View, other: View) -> dict[str, Any]:
    """Returns how many objects each run alone finds, by class, and the images where that happens most."""
    truth = first.matches.truth
    real = ~truth.crowd
    gained, lost = real & first.missing & ~other.missing, real & other.missing & ~first.missing
    count = len(truth.classes)
    return {
        "both": int((real & ~first.missing & ~other.missing).sum()),
        "neither": int((first.missing & other.missing).sum()),
        "only_first": int(lost.sum()),
        "only_other": int(gained.sum()),
        "per_class": [
            {"name": name, "only_first": int(less), "only_other": int(more)}
            for name, less, more in zip(
                truth.classes,
                np.bincount(truth.label[lost], minlength=count),
                np.bincount(truth.label[gained], minlength=count),
                strict=True,
            )
        ],
        "images": _images(truth, gained, lost),
    }


def _images(truth: Truth, gained: Any, lost: Any) -> list[dict[str, Any]]:
    more, less = (np.bincount(truth.image[side], minlength=len(truth.image_ids)) for side in (gained, lost))
    order = np.argsort(-(more + less), kind="stable")[:LISTED_IMAGES]
    return [
        {
            "id": int(truth.image_ids[image]),
            "file": truth.files[image],
            "only_first": int(less[image]),
            "only_other": int(more[image]),
        }
        for image in order.tolist()
        if more[image] + less[image]
    ]


def compare_settings(first: Mapping[str, str], other: Mapping[str, str]) -> list[list[str]]:
    """Returns [key, value, other value] of the configuration keys that differ; an absent one is empty."""
    keys = sorted(first.keys() | other.keys())
    return [[key, first.get(key, ""), other.get(key, "")] for key in keys if first.get(key) != other.get(key)]
