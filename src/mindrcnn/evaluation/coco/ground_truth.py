"""Ground truth for COCO evaluation, made of the checked annotations that training uses.

Annotation ids are renumbered from 1 (the evaluators use 0 for "unmatched"), masks are converted to RLE once, and fields
that COCO-like files may omit are filled in: iscrowd 0, area from the mask or the box.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as mask_api

from mindrcnn.data.findings import FirstError
from mindrcnn.data.formats.coco.annotations import Annotations, check_annotations
from mindrcnn.data.formats.coco.reader import open_annotations
from mindrcnn.data.formats.coco.segmentation import state
from mindrcnn.data.formats.coco.tables import content_tables
from mindrcnn.data.masks import MIN_POLYGON_NUMBERS, Polygons, Segmentation, encode_outlines
from mindrcnn.data.record import Dataset, Record, Stated
from mindrcnn.errors import InputError


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


def ground_truth_of(dataset: Dataset) -> GroundTruth:
    """Returns the objects of a split as its annotations state them or, where they say no more, as its records do."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for record in dataset.records:
        images.append(
            {"id": record.image_id, "file_name": record.path.name, "height": record.height, "width": record.width}
        )
        stated = _stated_by(record) if record.stated is None else record.stated
        boxes = record.boxes.astype(float).tolist()
        for label, crowd, box, one in zip(record.labels.tolist(), record.crowd.tolist(), boxes, stated, strict=True):
            entry = {"id": len(annotations) + 1, "image_id": record.image_id}
            entry["category_id"] = dataset.category_ids[label - 1]
            annotations.append(entry | _checked_object(dataset.annotation_file, entry, one, crowd, box, record.size))
    return GroundTruth(
        name=str(dataset.annotation_file),
        images=tuple(images),
        categories=_categories(dataset.classes, dataset.category_ids),
        annotations=tuple(annotations),
    )


def load_ground_truth(source: Path | str | Mapping[str, Any]) -> GroundTruth:
    """Loads ground truth from a COCO annotation file or a dict of that form; leaves it unchanged.

    In a dict, annotations may be without ids and images without file names. Raises InputError with file, annotation and
    field for anything that training would refuse.
    """
    if isinstance(source, Mapping):
        name, rows = Path("ground truth"), source.get("annotations")
        tables = content_tables(name, _with_names(source))
        checked = check_annotations(tables, classes=(), ignore_other_categories=False, findings=FirstError(name))
        return _from_annotations(checked, lambda place: state(rows[int(checked.rows[place])]))  # type: ignore[index]
    checked, stored = open_annotations(Path(source), classes=(), ignore_other_categories=False)
    return _from_annotations(checked, stored.stated)


def _with_names(source: Mapping[str, Any]) -> dict[str, Any]:
    def numbered(table: str, key: str, value: Callable[[int], object]) -> Any:
        rows = source.get(table)
        if not isinstance(rows, list | tuple):
            return rows
        return [{key: value(index), **row} if isinstance(row, Mapping) else row for index, row in enumerate(rows)]

    return {
        **source,
        "images": numbered("images", "file_name", str),
        "annotations": numbered("annotations", "id", lambda index: index + 1),
    }


def _from_annotations(checked: Annotations, stated_at: Callable[[int], Stated]) -> GroundTruth:
    pictures, classes = checked.tables.pictures, checked.classes
    image_ids, sizes = pictures.ids.tolist(), pictures.sizes.tolist()
    columns = checked.image.tolist(), checked.labels.tolist(), checked.crowd.tolist(), checked.boxes.tolist()
    annotations = []
    for place, (image, label, crowd, box) in enumerate(zip(*columns, strict=True)):
        entry = {"id": place + 1, "image_id": image_ids[image], "category_id": classes.category_ids[label - 1]}
        size = tuple(sizes[image])
        annotations.append(entry | _checked_object(checked.tables.path, entry, stated_at(place), crowd, box, size))
    return GroundTruth(
        name=str(checked.tables.path),
        images=tuple(
            {"id": image_id, "file_name": os.fsdecode(name), "height": height, "width": width}
            for image_id, name, (height, width) in zip(image_ids, pictures.names, sizes, strict=True)
        ),
        categories=_categories(classes.classes, classes.category_ids),
        annotations=tuple(annotations),
    )


def _categories(names: Sequence[str], ids: Sequence[int]) -> tuple[dict[str, Any], ...]:
    return tuple({"id": category_id, "name": name} for category_id, name in zip(ids, names, strict=True))


def _stated_by(record: Record) -> list[Stated]:
    return [
        Stated(
            box=(left, top, right - left, bottom - top),
            area=None,
            segmentation=None if mask is None else coco_segmentation(mask) or None,
        )
        for (left, top, right, bottom), mask in zip(
            record.boxes.astype(float).tolist(), record.segmentations, strict=True
        )
    ]


def _checked_object(
    source: Path, entry: Mapping[str, Any], one: Stated, crowd: bool, box: Sequence[float], size: tuple[int, ...]
) -> dict[str, Any]:
    """Returns `_object`. Raises InputError that names the object, `entry`, if its outline is beyond all measure.

    source: the annotations.
    entry: ids of the object and its image.
    one, crowd, box, size: see `_object`.
    """
    try:
        return _object(one, crowd, box, size)
    except ValueError as error:
        raise InputError(f"{source}: object number {entry['id']} (image id {entry['image_id']}): {error}") from error


def _object(one: Stated, crowd: bool, box: Sequence[float], size: tuple[int, ...]) -> dict[str, Any]:
    """Returns bbox, iscrowd, area and, if there is a mask, segmentation of an object.

    one: the object as stated.
    crowd: whether it is a crowd.
    box: xyxy inside the image.
    size: (height, width) of the image.
    """
    height, width = size
    _, _, box_width, box_height = one.box
    entry: dict[str, Any] = {"bbox": list(one.box), "iscrowd": int(crowd)}
    rle = to_rle(one.segmentation, height, width)
    area = box_width * box_height if rle is None else float(mask_api.area(rle))
    if rle is None and crowd:
        # A crowd only marks a region to ignore, for which its box is enough.
        left, top, right, bottom = box
        (rle,) = mask_api.frPyObjects(np.array([[left, top, right - left, bottom - top]]), height, width)
        area = float(mask_api.area(rle))
    if rle is not None:
        entry["segmentation"] = rle
    return entry | {"area": area if one.area is None else one.area}


def coco_segmentation(segmentation: Segmentation) -> list[list[float]] | dict[str, Any]:
    """Returns a record's mask in COCO's form: a list of polygons, or RLE with uncompressed counts."""
    if isinstance(segmentation, Polygons):
        return [list(part) for part in segmentation.parts]
    return {"size": [segmentation.height, segmentation.width], "counts": segmentation.runs.tolist()}


def to_rle(segmentation: Any, height: int, width: int) -> dict[str, Any] | None:
    """Converts COCO polygons or either form of RLE to compressed RLE (counts as bytes); None if there is no mask."""
    if isinstance(segmentation, Mapping):
        if isinstance(segmentation["counts"], (list, tuple)):
            return mask_api.frPyObjects(dict(segmentation), height, width)
        counts = segmentation["counts"]
        return {"size": segmentation["size"], "counts": counts.encode() if isinstance(counts, str) else counts}
    polygons = [polygon for polygon in segmentation or () if len(polygon) >= MIN_POLYGON_NUMBERS]
    return encode_outlines([np.reshape(np.asarray(one, np.float64), (-1, 2)) for one in polygons], height, width)
