"""Detections read back from a line of predictions.jsonl, for results that an earlier run could not complete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mindrcnn.data.masks import run_lengths
from mindrcnn.detections import Detections
from mindrcnn.errors import InputError
from mindrcnn.evaluation.paste import Rle
from mindrcnn.tasks.results.result import Classes
from mindrcnn.untrusted.numbers import number_rows

CORNERS = ("x_min", "y_min", "width", "height")


def read_detections(document: Mapping[str, Any], classes: Classes, place: str) -> Detections:
    """Returns the detections of an image's entry. Raises InputError, which begins with `place`, for a malformed one."""
    try:
        return _detections(document, classes)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise InputError(f"{place}: wanted the predictions of an image: {type(error).__name__}: {error}") from error


def _detections(document: Mapping[str, Any], classes: Classes) -> Detections:
    predictions = document["predictions"]
    boxes = number_rows([[one["bbox"][name] for name in CORNERS] for one in predictions], 4)
    labels = [int(one["class"]["label"]) for one in predictions]
    scores = np.array([float(one["score"]) for one in predictions], dtype=np.float32)
    size = (int(document["height"]), int(document["width"]))
    if boxes is None or not all(1 <= label <= len(classes.names) for label in labels):
        raise ValueError("wanted boxes of numbers and labels of the model")
    masks = tuple(_mask(one["mask"], size) for one in predictions if "mask" in one)
    qualities = [float(one["iou_score"]) for one in predictions if "iou_score" in one]
    xywh = boxes.reshape(-1, 4)
    return Detections(
        boxes=np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32),
        scores=scores,
        labels=np.array(labels, dtype=np.int32),
        classes=classes.names,
        category_ids=classes.ids,
        image_size=size,
        image_masks=masks if len(masks) == len(labels) > 0 else None,
        mask_scores=scores * np.array(qualities, np.float32) if len(qualities) == len(labels) > 0 else None,
    )


def _mask(stored: Mapping[str, Any], size: tuple[int, int]) -> Rle:
    run_lengths(*size, stored["counts"])
    return Rle(size=list(size), counts=str(stored["counts"]))
