"""Reads COCO JSON annotations (https://cocodataset.org/#format-data) into a Dataset."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mindrcnn.data.class_list import ClassList, match_classes
from mindrcnn.data.coco_json import Columns, Ints, load_tables
from mindrcnn.data.image_files import require_images
from mindrcnn.data.masks import MIN_POLYGON_NUMBERS, Polygons, RunLengths, Segmentation, run_lengths
from mindrcnn.data.record import Dataset, Record, clip_boxes, log_dropped
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Objects:
    """The annotations as columns, in the file's order; `image` is each one's place in the table of images."""

    ids: Ints
    image: Ints
    labels: Ints  # 0: of a category outside the class list
    crowd: npt.NDArray[np.bool_]
    boxes: npt.NDArray[np.float64]  # xyxy
    rows: Columns


def read_coco(
    *, annotations: Path, images: Path, classes: Sequence[str] = (), ignore_other_categories: bool = False
) -> Dataset:
    """All images of `annotations`, in the file's order; their names are relative to the folder `images`.

    `classes` gives the order of the labels; empty: the file's categories by ascending id. Boxes are clipped to their
    image; objects without area are dropped and counted. `iscrowd` may be missing (0), as may `segmentation` (box only).
    InputError names the file and the id: malformed or missing keys, repeated ids, an annotation of an unknown image or
    category, a class list that does not match, images that are not there.
    """
    tables = load_tables(annotations)
    pictures = Columns(path=annotations, table="images", rows=tables["images"])
    if not len(pictures):
        raise InputError(f"{annotations}: images: wanted at least one, got none")
    image_ids = pictures.unique_ids()
    sizes = np.stack([pictures.whole_numbers(key, low=1) for key in ("height", "width")], axis=1)
    paths = [images / name for name in pictures.texts("file_name")]
    require_images(paths, listed_in=annotations)

    rows = Columns(path=annotations, table="annotations", rows=tables["annotations"])
    categories = Columns(path=annotations, table="categories", rows=tables["categories"])
    labels, class_list = _labels(annotations, rows, categories, classes, ignore_other_categories)
    objects = _objects(annotations, rows, labels, image_ids)
    segmentations, kept = _usable(annotations, objects, sizes)
    ordinary = ~objects.crowd[kept]
    without_mask = objects.ids[kept][ordinary & np.array([seg is None for seg in segmentations], dtype=bool)]
    return Dataset(
        records=_records(image_ids, paths, sizes, objects, kept, segmentations),
        classes=class_list.classes,
        category_ids=class_list.category_ids,
        annotation_file=annotations,
        without_mask=tuple(without_mask.tolist()),
    )


def _labels(
    path: Path, rows: Columns, categories: Columns, classes: Sequence[str], ignore_others: bool
) -> tuple[Ints, ClassList]:
    """A label for every annotation, 0 where its category is left out."""
    known_ids = categories.unique_ids()
    used_ids = rows.whole_numbers("category_id")
    unknown = np.flatnonzero(~np.isin(used_ids, known_ids))
    if len(unknown):
        problem = f"category_id {used_ids[unknown[0]]} is not among the categories"
        raise rows.error(int(unknown[0]), f"{problem} ({len(unknown)} annotations like this)")
    class_list = match_classes(
        path=path,
        names=categories.texts("name"),
        ids=known_ids.tolist(),
        wanted=classes,
        used=frozenset(np.unique(used_ids).tolist()),
        ignore_others=ignore_others,
    )
    wanted_ids = np.array(class_list.category_ids)
    order = np.argsort(wanted_ids)
    place = np.searchsorted(wanted_ids[order], used_ids).clip(max=len(order) - 1)
    return np.where(wanted_ids[order][place] == used_ids, order[place] + 1, 0), class_list


def _objects(path: Path, rows: Columns, labels: Ints, image_ids: Ints) -> _Objects:
    ids = rows.unique_ids()
    of_image = rows.whole_numbers("image_id")
    order = np.argsort(image_ids)
    place = np.searchsorted(image_ids[order], of_image).clip(max=len(order) - 1)
    unknown = np.flatnonzero(image_ids[order][place] != of_image)
    if len(unknown):
        problem = f"image_id {of_image[unknown[0]]} is not among the images"
        raise rows.error(int(unknown[0]), f"{problem} ({len(unknown)} annotations like this)")
    corners = rows.boxes("bbox")
    corners[:, 2:] += corners[:, :2]  # COCO stores x, y, width, height
    crowd = rows.whole_numbers("iscrowd", default=0, low=0) > 0
    return _Objects(ids=ids, image=order[place], labels=labels, crowd=crowd, boxes=corners, rows=rows)


def _usable(path: Path, objects: _Objects, sizes: Ints) -> tuple[tuple[Segmentation | None, ...], Ints]:
    """The segmentations of the objects that are kept, and these objects' places, ordered by image."""
    _, has_area = clip_boxes(objects.boxes, sizes[objects.image])
    wanted = objects.labels > 0
    segmentations: list[Segmentation | None] = []
    kept = []
    dropped = int((wanted & ~has_area).sum())
    for index in np.argsort(objects.image, kind="stable"):
        if not (wanted[index] and has_area[index]):
            continue
        segmentation = _segmentation(objects.rows, int(index), sizes[objects.image[index]])
        if isinstance(segmentation, Polygons) and not segmentation.parts:
            dropped += 1
            continue
        segmentations.append(segmentation)
        kept.append(index)
    log_dropped(path, dropped, int(wanted.sum()))
    if not wanted.all():
        logger.info("%s: %d annotations of other categories are left out", path, int((~wanted).sum()))
    return tuple(segmentations), np.array(kept, dtype=np.int64)


def _segmentation(rows: Columns, index: int, size: Ints) -> Segmentation | None:
    """None where the annotation has no mask. Polygons of fewer than three corners have no area and are left out."""
    stored: Any = rows.rows[index].get("segmentation")
    if not stored:
        return None
    if isinstance(stored, Polygons):
        return _checked_polygons(rows, index, stored)
    if isinstance(stored, dict) and "counts" in stored and "size" in stored:
        return _checked_run_lengths(rows, index, stored, size)
    raise rows.error(
        index, "segmentation: wanted a list of polygons (x, y, x, y, ...) or an RLE with counts and size, got neither"
    )


def _checked_polygons(rows: Columns, index: int, polygons: Polygons) -> Polygons:
    lengths = [len(part) for part in polygons.parts]
    if any(length % 2 for length in lengths):
        raise rows.error(index, f"segmentation: wanted polygons of x, y pairs, got {lengths} numbers")
    if min(lengths) >= MIN_POLYGON_NUMBERS:
        return polygons
    return Polygons(tuple(part for part in polygons.parts if len(part) >= MIN_POLYGON_NUMBERS))


def _checked_run_lengths(rows: Columns, index: int, stored: dict[str, Any], size: Ints) -> RunLengths:
    height, width = size.tolist()
    if stored["size"] not in ([height, width], (height, width)):
        raise rows.error(
            index, f"segmentation size: wanted the image's height and width {[height, width]}, got {stored['size']}"
        )
    try:
        return run_lengths(height, width, stored["counts"])
    except (ValueError, TypeError, OverflowError) as error:
        raise rows.error(index, f"segmentation: {error}") from error


def _records(
    image_ids: Ints,
    paths: Sequence[Path],
    sizes: Ints,
    objects: _Objects,
    kept: Ints,
    segmentations: tuple[Segmentation | None, ...],
) -> tuple[Record, ...]:
    boxes, _ = clip_boxes(objects.boxes[kept], sizes[objects.image[kept]])
    labels, crowd = objects.labels[kept].astype(np.int32), objects.crowd[kept]
    ends = np.searchsorted(objects.image[kept], np.arange(len(paths)), side="right").tolist()
    records = []
    start = 0
    for image_id, path, (height, width), end in zip(image_ids.tolist(), paths, sizes.tolist(), ends, strict=True):
        own = slice(start, end)
        records.append(Record(image_id, path, height, width, boxes[own], labels[own], crowd[own], segmentations[own]))
        start = end
    return tuple(records)
