"""Ground truth for COCO evaluation: read, checked, and normalised for every evaluator.

Annotation ids are renumbered from 1 (the evaluators use 0 for "unmatched"), masks are converted to RLE once, and fields
that COCO-like files may omit are filled in: iscrowd 0, area from the mask or the box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_api

from mindrcnn.data.formats.coco.segmentation import parse_segmentation
from mindrcnn.data.masks import MIN_POLYGON_NUMBERS, OVERHANG, RunLengths, encode_outlines, mask_size
from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json
from mindrcnn.messages import quote_value
from mindrcnn.untrusted.numbers import is_number, is_whole, number_rows


@dataclass(frozen=True)
class GroundTruth:
    """The annotated objects of a split.

    name: file or data set, for messages.
    images, categories: COCO dicts.
    annotations: COCO dicts with id, image_id, category_id, bbox (xywh), area, iscrowd and, if the source has one,
        segmentation as compressed RLE.
    """

    name: str
    images: tuple[dict[str, Any], ...]
    categories: tuple[dict[str, Any], ...]
    annotations: tuple[dict[str, Any], ...]

    @property
    def image_sizes(self) -> dict[int, tuple[int, int]]:
        """Returns (height, width) by image id."""
        return {image["id"]: (image["height"], image["width"]) for image in self.images}

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Returns the category ids in ascending order."""
        return tuple(sorted(category["id"] for category in self.categories))

    @property
    def has_masks(self) -> bool:
        """Says whether every object has a mask, so that masks can be evaluated."""
        return all("segmentation" in annotation for annotation in self.annotations)

    def subset(self, image_ids: Sequence[int] | None, category_ids: Sequence[int] | None) -> GroundTruth:
        """Returns the part about some images and categories, None for all. Raises InputError for an unknown id."""
        images = _select(self.images, image_ids, self.name, "image")
        categories = _select(self.categories, category_ids, self.name, "category")
        kept_images = {image["id"] for image in images}
        kept_categories = {category["id"] for category in categories}
        annotations = tuple(
            annotation
            for annotation in self.annotations
            if annotation["image_id"] in kept_images and annotation["category_id"] in kept_categories
        )
        return GroundTruth(name=self.name, images=images, categories=categories, annotations=annotations)


def _select(
    entries: tuple[dict[str, Any], ...], ids: Sequence[int] | None, name: str, kind: str
) -> tuple[dict[str, Any], ...]:
    if ids is None:
        return entries
    wanted = set(ids)
    missing = sorted(wanted - {entry["id"] for entry in entries})
    if missing:
        raise InputError(f"{name}: wanted {kind} ids of the ground truth, got {missing[:5]}")
    return tuple(entry for entry in entries if entry["id"] in wanted)


def load_ground_truth(source: Path | str | Mapping[str, Any]) -> GroundTruth:
    """Loads ground truth from a COCO annotation file or a dict of that form (see annotations.py); leaves it unchanged.

    Raises InputError with file, entry and field for anything that cannot be evaluated.
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
    _require_ids(dataset["categories"], f"{name}: categories")
    _require_ids(dataset["images"], f"{name}: images")
    sizes = {image["id"]: _size(image, f"{name}: image id {image['id']}") for image in dataset["images"]}
    categories = {category["id"] for category in dataset["categories"]}
    annotations = tuple(
        _normalise(annotation, index, sizes, categories, f"{name}: annotations, entry {index}")
        for index, annotation in enumerate(dataset["annotations"])
    )
    return GroundTruth(
        name=name, images=tuple(dataset["images"]), categories=tuple(dataset["categories"]), annotations=annotations
    )


def _require_keys(entries: Sequence[Any], keys: tuple[str, ...], where: str) -> None:
    for index, entry in enumerate(entries):
        for key in keys:
            if not isinstance(entry, Mapping) or key not in entry:
                raise InputError(f"{where}, entry {index}: wanted the key {key}, got {quote_value(entry)}")


def _require_ids(entries: Sequence[Mapping[str, Any]], where: str) -> None:
    seen: set[int] = set()
    for index, entry in enumerate(entries):
        if not is_whole(entry["id"]):
            raise InputError(f"{where}, entry {index}: id: wanted a whole number, got {quote_value(entry['id'])}")
        if entry["id"] in seen:
            raise InputError(f"{where}, entry {index}: wanted every id once, got {entry['id']} again")
        seen.add(entry["id"])


def _size(image: Mapping[str, Any], where: str) -> tuple[int, int]:
    try:
        return mask_size([image["height"], image["width"]])
    except ValueError as error:
        got = quote_value([image["height"], image["width"]])
        raise InputError(f"{where}: wanted a height and width in whole pixels, got {got}") from error


def _normalise(
    annotation: Mapping[str, Any], index: int, sizes: dict[int, tuple[int, int]], categories: set[int], where: str
) -> dict[str, Any]:
    for key, known, what in (("image_id", sizes, "image"), ("category_id", categories, "category")):
        if not is_whole(annotation[key]) or annotation[key] not in known:
            got = quote_value(annotation[key])
            raise InputError(f"{where}: wanted the {key} of a listed {what}, got {got}")
    if number_rows([annotation["bbox"]], 4) is None:
        raise InputError(f"{where}: bbox: wanted four finite numbers, got {quote_value(annotation['bbox'])}")
    crowd = annotation.get("iscrowd", 0)
    if not isinstance(crowd, bool) and not is_whole(crowd, 0):
        raise InputError(f"{where}: iscrowd: wanted 0 or 1, got {quote_value(crowd)}")
    _, _, width, height = annotation["bbox"]
    normalised = {
        "id": index + 1,
        "image_id": annotation["image_id"],
        "category_id": annotation["category_id"],
        "bbox": list(annotation["bbox"]),
        "iscrowd": int(crowd),
    }
    size = sizes[annotation["image_id"]]
    try:
        rle = checked_rle(annotation.get("segmentation"), *size)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if rle is None and normalised["iscrowd"]:
        rle = _box_rle(annotation["bbox"], *size)  # a crowd marks a region to ignore, for which its box is enough
    if rle is not None:
        normalised["segmentation"] = rle
    area_without_key = float(width) * height if rle is None else float(mask_api.area(rle))
    normalised["area"] = annotation.get("area", area_without_key)
    if not is_number(normalised["area"]):
        raise InputError(f"{where}: area: wanted a finite number, got {quote_value(normalised['area'])}")
    return normalised


def checked_rle(segmentation: Any, height: int, width: int) -> dict[str, Any] | None:
    """Converts a segmentation as a file has it. Raises ValueError that names the mistake."""
    mask = parse_segmentation(segmentation)
    if isinstance(mask, RunLengths) and (mask.height, mask.width) != (height, width):
        raise ValueError(
            f"segmentation: wanted an RLE of the image's height and width {[height, width]}, got {segmentation['size']}"
        )
    return to_rle(segmentation, height, width) if mask is not None else None


def to_rle(segmentation: Any, height: int, width: int) -> dict[str, Any] | None:
    """Converts COCO polygons or either form of RLE to compressed RLE (counts as bytes); None if there is no mask."""
    if isinstance(segmentation, Mapping):
        if isinstance(segmentation["counts"], (list, tuple)):
            return mask_api.frPyObjects(dict(segmentation), height, width)
        counts = segmentation["counts"]
        return {"size": segmentation["size"], "counts": counts.encode() if isinstance(counts, str) else counts}
    polygons = [polygon for polygon in segmentation or () if len(polygon) >= MIN_POLYGON_NUMBERS]
    return encode_outlines([np.reshape(np.asarray(one, np.float64), (-1, 2)) for one in polygons], height, width)


def _box_rle(box: Sequence[float], height: int, width: int) -> dict[str, Any]:
    """Returns the RLE of the part of an xywh box that is near the image."""
    margin = OVERHANG * max(height, width)
    corners = np.array([*box[:2], box[0] + box[2], box[1] + box[3]], dtype=np.float64)
    near = corners.clip(-margin, np.array([width, height, width, height]) + margin)
    xywh = np.array([box]) if (near == corners).all() else np.array([[*near[:2], *(near[2:] - near[:2])]])
    (rle,) = mask_api.frPyObjects(xywh.astype(np.float64), height, width)
    return rle
