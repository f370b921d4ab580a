"""The two sides of an evaluation as arrays: the objects of a split, and what was detected.

I images are numbered in the order of their ids, C classes in the order of their category ids, as COCO evaluates
them. G is the number of objects, N that of detections; boxes are xywh float64 in pixels of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.ground_truth import GroundTruth, to_rle

Ints = NDArray[np.int32]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """The objects of a split, crowds included.

    image_ids: (I,) int64.
    files: names of the I image files.
    sizes: (I, 2) int32, (height, width).
    classes: names of the C classes.
    category_ids: those of the C classes.
    image, label: (G,) int32, numbers of each object's image and class, from 0.
    boxes: (G, 4).
    areas: (G,) float64, as COCO counts them: of the mask where there is one.
    crowd: (G,) bool.
    masks: G compressed RLEs; None unless every object has one.
    """

    name: str
    image_ids: NDArray[np.int64]
    files: Sequence[str]
    sizes: Ints
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    image: Ints
    label: Ints
    boxes: Doubles
    areas: Doubles
    crowd: Bools
    masks: Sequence[dict[str, Any]] | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Found:
    """Detections, in the order of their images.

    image, label: (N,) int32, numbers from 0.
    boxes: (N, 4).
    scores: (N,) float64.
    mask_scores: (N,) float64, by which masks rank: the score, times the predicted IoU where there is one.
    predicted_ious: (N,) float64, NaN without one; None if no detection has one.
    masks: N compressed RLEs; None unless every detection has one.
    """

    image: Ints
    label: Ints
    boxes: Doubles
    scores: Doubles
    mask_scores: Doubles
    predicted_ious: Doubles | None
    masks: Sequence[dict[str, Any]] | None


def read_truth(truth: GroundTruth) -> Truth:
    """Returns the ground truth as arrays."""
    images = sorted(truth.images, key=lambda image: image["id"])
    categories = sorted(truth.categories, key=lambda category: category["id"])
    places = {image["id"]: place for place, image in enumerate(images)}
    labels = {category["id"]: label for label, category in enumerate(categories)}
    rows = truth.annotations
    return Truth(
        name=truth.name,
        image_ids=np.array([image["id"] for image in images], np.int64),
        files=[str(image.get("file_name", image["id"])) for image in images],
        sizes=np.array([(image["height"], image["width"]) for image in images], np.int32).reshape(-1, 2),
        classes=tuple(str(category["name"]) for category in categories),
        category_ids=tuple(labels),
        image=np.array([places[row["image_id"]] for row in rows], np.int32),
        label=np.array([labels[row["category_id"]] for row in rows], np.int32),
        boxes=np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4),
        areas=np.array([row["area"] for row in rows], np.float64),
        crowd=np.array([row["iscrowd"] for row in rows], bool),
        masks=[row["segmentation"] for row in rows] if truth.has_masks else None,
    )


def read_found(results: Sequence[Mapping[str, Any]], truth: Truth) -> Found:
    """Returns result entries as arrays; entries of other categories are left out.

    results: COCO result entries, checked (evaluation/coco/results.py).
    truth: the split.
    Raises InputError for an entry of another image.
    """
    places = {int(image_id): place for place, image_id in enumerate(truth.image_ids)}
    labels = {category_id: label for label, category_id in enumerate(truth.category_ids)}
    for index, entry in enumerate(results):
        if entry["image_id"] not in places:
            raise InputError(f"results, entry {index}: wanted an image_id of {truth.name}, got {entry['image_id']}")
    kept = [entry for entry in results if entry["category_id"] in labels]
    image = np.array([places[entry["image_id"]] for entry in kept], np.int32)
    order = np.argsort(image, kind="stable")
    kept, image = [kept[place] for place in order], image[order]
    masks: list[Any] | None = None
    if all("segmentation" in entry for entry in kept):
        sizes = [tuple(size) for size in truth.sizes.tolist()]
        masks = [
            to_rle(entry["segmentation"], *sizes[place]) for entry, place in zip(kept, image.tolist(), strict=True)
        ]
    scores = np.array([entry["score"] for entry in kept], np.float64)
    ious = np.array([entry.get("iou_score", np.nan) for entry in kept], np.float64)
    return Found(
        image=image,
        label=np.array([labels[entry["category_id"]] for entry in kept], np.int32),
        boxes=np.array([_box(entry, masks, place) for place, entry in enumerate(kept)], np.float64).reshape(-1, 4),
        scores=scores,
        mask_scores=scores * np.where(np.isnan(ious), 1.0, ious),
        predicted_ious=None if np.isnan(ious).all() else ious,
        masks=masks,
    )


def _box(entry: Mapping[str, Any], masks: Sequence[Any] | None, place: int) -> Sequence[float]:
    if "bbox" in entry:
        return entry["bbox"]
    assert masks is not None
    return mask_api.toBbox(masks[place]).tolist()
