"""Evaluation of a federated data set with lvis-api's numbers.

In an image, only the classes that were looked for count: those with objects, and those known to be absent. Of a class
that is not annotated in full there, a detection that finds no object counts neither way. The best 300 detections of an
image count, over all classes.

COCO's evaluators compute this when a crowd stands for "not annotated in full": whatever lies in a crowd and finds no
object is left out. LVIS has no crowds of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pycocotools import mask as mask_api

from mindrcnn.data.federation import Federation
from mindrcnn.evaluation.coco.ground_truth import GroundTruth

DETECTIONS = 300  # lvis-api's, of an image


def federated_truth(truth: GroundTruth, federation: Federation) -> GroundTruth:
    """Returns the objects without crowds, and a crowd for each class that is not annotated in full in an image.

    The crowd covers the image, for masks, and more than that, for boxes: results may reach beyond it.
    """
    known = set(truth.category_ids)
    annotations = [one for one in truth.annotations if not one["iscrowd"]]
    for image_id, (height, width) in truth.image_sizes.items():
        whole = mask_api.encode(np.ones((height, width), np.uint8, order="F"))
        for category_id in federation.incomplete.get(image_id, ()):
            if category_id in known:
                annotations.append(
                    {
                        "image_id": image_id,
                        "category_id": category_id,
                        "bbox": [-width, -height, 3 * width, 3 * height],
                        "segmentation": whole,
                        "area": float(height * width),
                        "iscrowd": 1,
                    }
                )
    numbered = tuple({**one, "id": number} for number, one in enumerate(annotations, start=1))
    return replace(truth, annotations=numbered)


def counted(detections: Sequence[dict[str, Any]], truth: GroundTruth, federation: Federation) -> list[dict[str, Any]]:
    """Returns the best detections of each image that are of a class which the image was searched for.

    detections: with image_id, category_id and score.
    truth: as `federated_truth` returns it.
    federation: of the data set.
    """
    present = {(one["image_id"], one["category_id"]) for one in truth.annotations if not one["iscrowd"]}
    absent = {(image_id, one) for image_id in truth.image_sizes for one in federation.absent.get(image_id, ())}
    by_image = defaultdict(list)
    for one in detections:
        by_image[one["image_id"]].append(one)
    searched = present | absent
    best = [one for found in by_image.values() for one in sorted(found, key=_descending)[:DETECTIONS]]
    return [one for one in best if (one["image_id"], one["category_id"]) in searched]


def _descending(detection: dict[str, Any]) -> float:
    return -float(detection["score"])
