"""Examination of a COCO file, which reports every mistake; reading stops at the first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mindrcnn import paths
from mindrcnn.data.findings import Findings, Kind, examine_boxes
from mindrcnn.data.formats.class_list import ClassList, match_classes
from mindrcnn.data.formats.coco.columns import Ints, places_of
from mindrcnn.data.formats.coco.tables import Categories, Mask, Objects, Pictures, read_tables
from mindrcnn.data.formats.image_files import missing_images
from mindrcnn.data.survey import Survey
from mindrcnn.errors import InputError


def examine_coco(
    *,
    annotations: Path,
    images: Path,
    classes: Sequence[str],
    ignore_other_categories: bool,
    needs_masks: bool,
    findings: Findings,
) -> Survey:
    """Returns the numbers of the usable images and objects. Raises InputError if the file cannot be read.

    See DataFormat.examine for the parameters.
    """
    try:
        with paths.open_file(annotations, "annotation file") as file:
            tables = read_tables(
                annotations, file, malformed=lambda error: findings.add(Kind.MALFORMED, _short(error, annotations))
            )
    except OSError as error:
        raise InputError(f"{annotations}: cannot be read: {error.strerror}") from error
    pictures, objects, categories = tables
    names = [os.fsdecode(name) for name in pictures.names]
    for ids, what in ((pictures.ids, "image"), (objects.ids, "annotation"), (categories.ids, "category")):
        _repeated(ids, what, findings)
    missing = missing_images(names, folder=images)
    findings.add_all(Kind.MISSING, (str(images / name) for name in missing), len(missing))

    class_list = _class_list(annotations, categories, objects, classes, ignore_other_categories, findings)
    labels = _places(objects.category_ids, np.array(class_list.category_ids, dtype=np.int64)) + 1
    of_image = _places(objects.image_ids, pictures.ids)
    known_category = _places(objects.category_ids, categories.ids) >= 0
    _unknown(objects, objects.image_ids, of_image < 0, Kind.UNKNOWN_IMAGE, findings)
    _unknown(objects, objects.category_ids, ~known_category, Kind.UNKNOWN_CATEGORY, findings)

    kept = np.flatnonzero((of_image >= 0) & (labels > 0))
    _examine_masks(objects, kept, pictures, of_image, findings, needs_masks=needs_masks)
    boxes, usable = examine_boxes(
        objects.boxes[kept], pictures.sizes[of_image[kept]], findings, name_of=_namer(objects, kept)
    )
    usable &= objects.masks[kept] != Mask.EMPTY
    used = kept[usable]
    return Survey(
        source=annotations,
        names=names,
        sizes=pictures.sizes,
        image=of_image[used],
        boxes=boxes[usable],
        labels=labels[used],
        crowd=objects.crowd[used],
        classes=class_list.classes,
        category_ids=class_list.category_ids,
    )


def _class_list(
    path: Path,
    categories: Categories,
    objects: Objects,
    classes: Sequence[str],
    ignore_others: bool,
    findings: Findings,
) -> ClassList:
    """Returns the class list of training, or all categories if that is impossible."""
    try:
        return match_classes(
            path=path,
            names=categories.names,
            ids=categories.ids.tolist(),
            wanted=classes,
            used=frozenset(np.unique(objects.category_ids).tolist()),
            ignore_others=ignore_others,
        )
    except InputError as error:
        findings.add(Kind.CLASSES, _short(error, path))
        return ClassList(tuple(categories.names), tuple(categories.ids.tolist()))


def _examine_masks(
    objects: Objects, kept: Ints, pictures: Pictures, of_image: Ints, findings: Findings, *, needs_masks: bool
) -> None:
    masks, name_of = objects.masks[kept], _namer(objects, kept)

    def report(kind: Kind, places: Ints, problem: Callable[[int], str]) -> None:
        findings.add_all(kind, (f"{name_of(int(place))}: {problem(int(place))}" for place in places), len(places))

    report(
        Kind.MASK,
        np.flatnonzero(masks == Mask.BAD),
        lambda place: objects.problems[int(objects.ids[kept[place]])],
    )
    sizes, image_sizes = objects.mask_sizes[kept], pictures.sizes[of_image[kept]]
    report(
        Kind.MASK,
        np.flatnonzero((masks == Mask.RUN_LENGTHS) & (sizes != image_sizes).any(axis=1)),
        lambda place: f"RLE of height and width {sizes[place].tolist()}, the image has {image_sizes[place].tolist()}",
    )
    report(Kind.FEW_CORNERS, np.flatnonzero(masks == Mask.EMPTY), lambda _: "all polygons, and so the object")
    report(Kind.FEW_CORNERS, np.flatnonzero(masks == Mask.PARTLY_EMPTY), lambda _: "some of its polygons")
    if needs_masks:
        report(
            Kind.NO_MASK,
            np.flatnonzero((masks == Mask.NONE) & ~objects.crowd[kept]),
            lambda _: "no segmentation",
        )


def _repeated(ids: Ints, what: str, findings: Findings) -> None:
    values, counts = np.unique(ids, return_counts=True)
    places = np.flatnonzero(counts > 1)
    findings.add_all(Kind.REPEATED, (f"{what} id {values[p]}: {counts[p]} times" for p in places), len(places))


def _unknown(objects: Objects, values: Ints, unknown: np.ndarray, kind: Kind, findings: Findings) -> None:
    places = np.flatnonzero(unknown)
    findings.add_all(kind, (f"annotation id {objects.ids[p]}: id {values[p]}" for p in places), len(places))


def _places(ids: Ints, known: Ints) -> Ints:
    """Returns `places_of` with the first index of a repeated id."""
    values, first = np.unique(known, return_index=True)
    places = places_of(ids, values)
    return np.where(places >= 0, first[places], -1) if len(values) else places


def _namer(objects: Objects, kept: Ints) -> Callable[[int], str]:
    def name_of(place: int) -> str:
        return f"annotation id {objects.ids[kept[place]]} (image id {objects.image_ids[kept[place]]})"

    return name_of


def _short(error: InputError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
