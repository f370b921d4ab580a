"""Ground truth for COCO evaluation: read, checked, and made uniform for every evaluator.

Annotation ids are renumbered from 1 (the evaluators use 0 for "unmatched"), masks become RLE once, and what COCO files
of other origin leave out is filled in: iscrowd 0, area from the mask or the box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_api

from mindrcnn.data.masks import MIN_POLYGON_NUMBERS
from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json


@dataclass(frozen=True)
class GroundTruth:
    """A split's true objects.

    name: file or data set, for messages. images, categories, annotations: COCO dicts; annotations have id, image_id,
    category_id, bbox (xywh), area, iscrowd and, where the source has one, segmentation as compressed RLE.
    """

    name: str
    images: tuple[dict[str, Any], ...]
    categories: tuple[dict[str, Any], ...]
    annotations: tuple[dict[str, Any], ...]

    @property
    def image_sizes(self) -> dict[int, tuple[int, int]]:
        """(height, width) by image id."""
        return {image["id"]: (image["height"], image["width"]) for image in self.images}

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Category ids in rising order."""
        return tuple(sorted(category["id"] for category in self.categories))

    @property
    def has_masks(self) -> bool:
        """Whether every object has a mask, so that masks can be evaluated."""
        return all("segmentation" in annotation for annotation in self.annotations)

    def subset(self, image_ids: Sequence[int] | None, category_ids: Sequence[int] | None) -> GroundTruth:
        """The part about some images and categories; None means all. InputError for an id that is not there."""
        images = _chosen(self.images, image_ids, self.name, "image")
        categories = _chosen(self.categories, category_ids, self.name, "category")
        kept_images = {image["id"] for image in images}
        kept_categories = {category["id"] for category in categories}
        annotations = tuple(
            annotation
            for annotation in self.annotations
            if annotation["image_id"] in kept_images and annotation["category_id"] in kept_categories
        )
        return GroundTruth(name=self.name, images=images, categories=categories, annotations=annotations)


def _chosen(
    entries: tuple[dict[str, Any], ...], ids: Sequence[int] | None, name: str, kind: str
) -> tuple[dict[str, Any], ...]:
    if ids is None:
        return entries
    wanted = set(ids)
    missing = sorted(wanted - {entry["id"] for entry in entries})
    if missing:
        raise InputError(f"{name}: wanted {kind} ids of the ground truth, got {missing[:5]}, which it does not have")
    return tuple(entry for entry in entries if entry["id"] in wanted)


def load_ground_truth(source: Path | str | Mapping[str, Any]) -> GroundTruth:
    """Ground truth from a COCO annotation file or from a dict in its form (see coco_gt.py). The source stays as it is.

    Raises InputError naming file, entry and field for what an evaluation cannot use.
    """
    if isinstance(source, Mapping):
        name, dataset = "ground truth", source
    else:
        name, dataset = str(source), read_json(Path(source))
    for key in ("images", "annotations", "categories"):
        if not isinstance(dataset, Mapping) or not isinstance(dataset.get(key), (list, tuple)):
            raise InputError(f"{name}: wanted COCO annotations with the list {key!r}, got none")
    _require_keys(dataset["images"], ("id", "height", "width"), f"{name}: images")
    _require_keys(dataset["categories"], ("id", "name"), f"{name}: categories")
    _require_keys(dataset["annotations"], ("image_id", "category_id", "bbox"), f"{name}: annotations")
    sizes = {image["id"]: (image["height"], image["width"]) for image in dataset["images"]}
    categories = {category["id"] for category in dataset["categories"]}
    annotations = tuple(
        _uniform(annotation, index, sizes, categories, f"{name}: annotations, entry {index}")
        for index, annotation in enumerate(dataset["annotations"])
    )
    return GroundTruth(
        name=name, images=tuple(dataset["images"]), categories=tuple(dataset["categories"]), annotations=annotations
    )


def _require_keys(entries: Sequence[Any], keys: tuple[str, ...], where: str) -> None:
    for index, entry in enumerate(entries):
        for key in keys:
            if not isinstance(entry, Mapping) or key not in entry:
                raise InputError(f"{where}, entry {index}: wanted the key {key}, got {str(entry)[:60]}")


def _uniform(
    annotation: Mapping[str, Any], index: int, sizes: dict[int, tuple[int, int]], categories: set[int], where: str
) -> dict[str, Any]:
    if annotation["image_id"] not in sizes:
        raise InputError(f"{where}: wanted the image_id of a listed image, got {annotation['image_id']}")
    if annotation["category_id"] not in categories:
        raise InputError(f"{where}: wanted the category_id of a listed category, got {annotation['category_id']}")
    _, _, width, height = annotation["bbox"]
    uniform = {
        "id": index + 1,
        "image_id": annotation["image_id"],
        "category_id": annotation["category_id"],
        "bbox": list(annotation["bbox"]),
        "iscrowd": int(annotation.get("iscrowd", 0)),
    }
    size = sizes[annotation["image_id"]]
    rle = to_rle(annotation.get("segmentation"), *size)
    if rle is None and uniform["iscrowd"]:
        # A crowd only marks where to ignore, and its box does that.
        (rle,) = mask_api.frPyObjects(np.array([uniform["bbox"]], dtype=np.float64), *size)
    if rle is not None:
        uniform["segmentation"] = rle
    area_without_key = width * height if rle is None else float(mask_api.area(rle))
    uniform["area"] = annotation.get("area", area_without_key)
    return uniform


def to_rle(segmentation: Any, height: int, width: int) -> dict[str, Any] | None:
    """Compressed RLE (counts as bytes) of COCO polygons or of either RLE form; None where there is no mask."""
    if isinstance(segmentation, Mapping):
        if isinstance(segmentation["counts"], (list, tuple)):
            return mask_api.frPyObjects(dict(segmentation), height, width)
        counts = segmentation["counts"]
        return {"size": segmentation["size"], "counts": counts.encode() if isinstance(counts, str) else counts}
    polygons = [polygon for polygon in segmentation or () if len(polygon) >= MIN_POLYGON_NUMBERS]
    return mask_api.merge(mask_api.frPyObjects(polygons, height, width)) if polygons else None
