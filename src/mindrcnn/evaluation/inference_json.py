"""The JSON of an inference run.

    {"images": [{"file", "height", "width", "predictions": [
        {"bbox": {"x_min", "y_min", "width", "height"}, "class": {"label", "category_id", "name"},
         "mask": {"size", "counts"}, "score", "iou_score"}]}]}

Boxes and masks are in pixels of the image (after EXIF rotation); mask only from a detector with masks, iou_score only
from one that predicts its masks' IoU.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.results import rounded_xywh, shortest
from mindrcnn.evaluation.predict import ImageResult


@dataclass(frozen=True)
class Classes:
    """names[label - 1] and category_ids[label - 1] belong to a label."""

    names: tuple[str, ...]
    category_ids: tuple[int, ...]


def labels_of(names: Sequence[str], classes: Classes) -> tuple[int, ...]:
    """Labels of class names; InputError with the nearest names for one that does not exist."""
    labels = []
    for name in names:
        if name not in classes.names:
            near = difflib.get_close_matches(name, classes.names, n=3, cutoff=0.5) or list(classes.names[:10])
            raise InputError(f"class filter: wanted a class of the model (nearest: {', '.join(near)}), got {name!r}")
        labels.append(classes.names.index(name) + 1)
    return tuple(labels)


def keep(result: ImageResult, *, score_thresh: float, labels: Sequence[int] | None = None) -> ImageResult:
    """The detections with at least `score_thresh` and, where `labels` are given, one of these labels."""
    detections = result.detections
    chosen = detections.scores >= score_thresh
    if labels is not None:
        chosen &= np.isin(detections.labels, labels)
    rles = None if result.rles is None else tuple(result.rles[index] for index in np.flatnonzero(chosen))
    return replace(result, detections=detections.select(chosen), rles=rles)


def image_document(result: ImageResult, classes: Classes) -> dict[str, Any]:
    """One image of the JSON."""
    detections = result.detections
    predictions: list[dict[str, Any]] = []
    boxes, scores = rounded_xywh(detections.boxes), shortest(detections.scores)
    for label, box, score in zip(detections.labels.tolist(), boxes, scores, strict=True):
        predictions.append(
            {
                "bbox": dict(zip(("x_min", "y_min", "width", "height"), box, strict=True)),
                "class": {
                    "label": label,
                    "category_id": classes.category_ids[label - 1],
                    "name": classes.names[label - 1],
                },
                "score": score,
            }
        )
    for prediction, rle in zip(predictions, result.rles or (), strict=result.rles is not None):
        prediction["mask"] = dict(rle)
    iou_scores = detections.iou_scores()
    if iou_scores is not None:
        for prediction, iou_score in zip(predictions, shortest(iou_scores), strict=True):
            prediction["iou_score"] = iou_score
    return {
        "file": str(result.record.path),
        "height": result.height,
        "width": result.width,
        "predictions": predictions,
    }
