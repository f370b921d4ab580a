"""COCO's twelve metrics, overall and of each class, with bootstrap intervals and the numbers they rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mindrcnn.evaluation.coco.metrics import AREAS, NOTHING_TO_FIND, threshold_index
from mindrcnn.report.bootstrap import FEWEST_IMAGES, interval, mean_of_existing, without_missing
from mindrcnn.report.matches import Matches
from mindrcnn.report.precision import Scores
from mindrcnn.report.sides import Doubles, Truth

# Of each metric the values over which COCO averages, (B, T, C) or (B, C); AR is that of all counted detections.
METRICS: dict[str, Callable[[Scores], Doubles]] = {
    "AP": lambda scores: scores.ap[:, 0],
    "AP50": lambda scores: scores.ap[:, 0, threshold_index(0.5)],
    "AP75": lambda scores: scores.ap[:, 0, threshold_index(0.75)],
    "APs": lambda scores: scores.ap[:, 1],
    "APm": lambda scores: scores.ap[:, 2],
    "APl": lambda scores: scores.ap[:, 3],
    "AR1": lambda scores: scores.few_recall[:, 0],
    "AR10": lambda scores: scores.few_recall[:, 1],
    "AR": lambda scores: scores.recall[:, 0],
    "ARs": lambda scores: scores.recall[:, 1],
    "ARm": lambda scores: scores.recall[:, 2],
    "ARl": lambda scores: scores.recall[:, 3],
}
OF_CLASSES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR")


def make_tables(matches: Matches, scores: Scores) -> dict[str, Any]:
    """Returns the metrics of all classes together and of each, with the objects and images they rest on.

    A metric is {value, interval}: 0..1, or -1 without an object of that kind; the interval is null where objects
    are in too few images.

    matches: those of one kind of evaluation.
    scores: of these matches; row 0 of the images, the others of resamples.
    """
    truth = matches.truth
    images = images_with_objects(truth)
    return {
        "metrics": {name: measured(mean_of_existing(values(scores))) for name, values in METRICS.items()},
        "max_detections": matches.max_detections,
        "per_class": [
            {
                "name": name,
                "category_id": truth.category_ids[label],
                "objects": int((~truth.crowd & (truth.label == label)).sum()),
                "images": int(images[label]),
                "detections": int((matches.found.label == label).sum()),
                **{
                    metric: measured(
                        mean_of_existing(METRICS[metric](scores)[..., label]), images[label] >= FEWEST_IMAGES
                    )
                    for metric in OF_CLASSES
                },
            }
            for label, name in enumerate(truth.classes)
        ],
    }


def measured(values: Doubles, enough: bool = True) -> dict[str, Any]:
    """Returns {value, interval} of a metric from its values (B,), of which the first is that of the images."""
    exists = values[0] > NOTHING_TO_FIND
    limits = interval(without_missing(values)) if exists and enough else None
    return {"value": float(values[0]), "interval": None if limits is None else np.clip(limits, 0, 1).tolist()}


def images_with_objects(truth: Truth) -> Doubles:
    """Returns (C,) the number of images with an object of each class, crowds not counted."""
    pairs = np.unique(np.stack([truth.label, truth.image])[:, ~truth.crowd], axis=1)
    return np.bincount(pairs[0], minlength=len(truth.classes)).astype(np.float64)


def count_objects(truth: Truth, matches: Matches) -> dict[str, Any]:
    """Returns the numbers of images, objects, crowds, objects of each size, and detections."""
    return {
        "images": len(truth.image_ids),
        "images_without_objects": len(truth.image_ids) - len(np.unique(truth.image[~truth.crowd])),
        "objects": int((~truth.crowd).sum()),
        "crowds": int(truth.crowd.sum()),
        "sizes": {area: int((~matches.ignored_objects[place]).sum()) for place, area in enumerate(AREAS) if place},
        "detections": len(matches.found.scores),
    }
