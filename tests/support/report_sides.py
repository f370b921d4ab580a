"""Splits and detections for the report's tests, written as short rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mindrcnn.evaluation.coco.ground_truth import GroundTruth, load_ground_truth
from mindrcnn.report.matches import Matches, find_matches
from mindrcnn.report.sides import Found, Truth, read_found, read_truth

SIDE = 200  # pixels of every image


def ground_truth(
    objects: Sequence[Sequence[Any]], *, images: int = 1, classes: Sequence[str] = ("cat", "dog")
) -> GroundTruth:
    """Objects are (image, class, box xywh) or (image, class, box, "crowd"); images and class ids count from 1."""
    rows = []
    for number, (image, name, box, *crowd) in enumerate(objects, start=1):
        row = {
            "id": number,
            "image_id": image,
            "category_id": list(classes).index(name) + 1,
            "bbox": [float(side) for side in box],
        }
        rows.append(row | {"area": float(box[2] * box[3]), "iscrowd": int(bool(crowd))})
    return load_ground_truth(
        {
            "images": [
                {"id": one, "file_name": f"{one}.jpg", "height": SIDE, "width": SIDE} for one in range(1, images + 1)
            ],
            "categories": [{"id": place, "name": name} for place, name in enumerate(classes, start=1)],
            "annotations": rows,
        }
    )


def entries(detections: Sequence[Sequence[Any]], classes: Sequence[str] = ("cat", "dog")) -> list[dict[str, Any]]:
    """Detections are (image, class, box xywh, score)."""
    return [
        {
            "image_id": image,
            "category_id": list(classes).index(name) + 1,
            "bbox": [float(side) for side in box],
            "score": score,
        }
        for image, name, box, score in detections
    ]


def match_boxes(
    objects: Sequence[Sequence[Any]],
    detections: Sequence[Sequence[Any]],
    *,
    images: int = 1,
    classes: Sequence[str] = ("cat", "dog"),
    max_detections: int = 100,
) -> Matches:
    truth, found = sides(ground_truth(objects, images=images, classes=classes), entries(detections, classes))
    return find_matches(truth, found, "bbox", max_detections=max_detections)


def sides(truth: GroundTruth, results: Sequence[dict[str, Any]]) -> tuple[Truth, Found]:
    arrays = read_truth(truth)
    return arrays, read_found(results, arrays)


def random_split(seed: int, *, images: int = 12, classes: int = 3) -> tuple[GroundTruth, list[dict[str, Any]]]:
    """Objects, crowds among them, and detections near and far, many with equal scores."""
    random = np.random.default_rng(seed)
    names = [f"class {one}" for one in range(classes)]
    objects, detections = [], []
    for image in range(1, images + 1):
        for _ in range(random.integers(0, 7)):
            corner, size = random.uniform(0, 150, 2), random.uniform(5, 130, 2)
            box = [*corner, *np.minimum(size, SIDE - corner)]
            name = names[random.integers(classes)]
            objects.append((image, name, box, *(["crowd"] if random.random() < 0.15 else [])))
            for _ in range(random.integers(0, 4)):
                moved = np.array(box) + random.normal(0, 6, 4)
                other = name if random.random() < 0.8 else names[random.integers(classes)]
                detections.append((image, other, np.maximum(moved, 1), float(random.integers(1, 12)) / 12))
        for _ in range(random.integers(0, 3)):
            box = [*random.uniform(0, 150, 2), *random.uniform(5, 50, 2)]
            detections.append((image, names[random.integers(classes)], box, float(random.integers(1, 12)) / 12))
    order = random.permutation(len(detections))
    return ground_truth(objects, images=images, classes=names), entries([detections[one] for one in order], names)
