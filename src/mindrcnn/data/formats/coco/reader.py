"""COCO JSON annotations (https://cocodataset.org/#format-data) as a Dataset."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mindrcnn import paths
from mindrcnn.data.findings import FirstError
from mindrcnn.data.formats.coco.annotations import Annotations, check_annotations
from mindrcnn.data.formats.coco.columns import Ints
from mindrcnn.data.formats.coco.presence import present_tables
from mindrcnn.data.formats.coco.segmentation import StoredAnnotations
from mindrcnn.data.formats.coco.tables import Tables, read_tables
from mindrcnn.data.record import Dataset, Shapeless, log_dropped
from mindrcnn.data.record_table import RecordTable
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)


def read_coco(
    *,
    annotations: Path,
    images: Path,
    classes: Sequence[str] = (),
    ignore_other_categories: bool = False,
    skip_missing: bool = False,
) -> Dataset:
    """Returns all images of `annotations`, in the file's order; their names are relative to the folder `images`.

    `classes` gives the order of the labels; empty: the file's categories by ascending id. Boxes are clipped to their
    image; objects without area are dropped and counted. `iscrowd` may be missing (0), as may `segmentation` (box only).
    The masks stay in the file, which is read again for each image. Raises InputError that names the file and the id:
    malformed or missing keys, repeated ids, an annotation of an unknown image or category, a class list that does not
    match, missing images unless `skip_missing` leaves them out.
    """
    with paths.open_file(annotations, "annotation file") as file:
        return read_opened(
            annotations,
            file,
            images=images,
            classes=classes,
            ignore_other_categories=ignore_other_categories,
            skip_missing=skip_missing,
        )


def read_opened(
    path: Path,
    file: BinaryIO,
    *,
    images: Path,
    classes: Sequence[str],
    ignore_other_categories: bool,
    skip_missing: bool,
) -> Dataset:
    """Returns the images of an open file of COCO JSON as `read_coco` does; `path` is its name in messages."""
    checked, stored = _check(
        path,
        file,
        classes=classes,
        ignore_other_categories=ignore_other_categories,
        present=lambda tables: present_tables(tables, folder=images, skip_missing=skip_missing),
    )
    log_left_out(checked)
    return _dataset(checked, stored, images)


def open_annotations(
    path: Path, *, classes: Sequence[str], ignore_other_categories: bool
) -> tuple[Annotations, StoredAnnotations]:
    """Returns the checked annotations of a file, and access to what it states of each; does not look for images.

    Otherwise raises as read_coco does.
    """
    with paths.open_file(path, "annotation file") as file:
        return _check(
            path,
            file,
            classes=classes,
            ignore_other_categories=ignore_other_categories,
            present=lambda tables: tables,
        )


def _check(
    path: Path,
    file: BinaryIO,
    *,
    classes: Sequence[str],
    ignore_other_categories: bool,
    present: Callable[[Tables], Tables],
) -> tuple[Annotations, StoredAnnotations]:
    """Returns the checked annotations of an open file; `present` leaves out or refuses absent images."""
    try:
        tables = read_tables(path, file)
        if not len(tables.pictures.ids):
            raise InputError(f"{path}: images: wanted at least one, got none")
        checked = check_annotations(
            present(tables),
            classes=classes,
            ignore_other_categories=ignore_other_categories,
            findings=FirstError(path),
        )
        objects = checked.tables.objects
        stored = StoredAnnotations(
            path=path,
            descriptor=file.fileno(),
            starts=objects.starts[checked.rows],
            lengths=objects.lengths[checked.rows].astype(np.int32),
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return checked, stored


def log_left_out(checked: Annotations) -> None:
    """Logs what of the file is not used, one line for each reason."""
    path = checked.tables.path
    log_dropped(path, checked.without_area, len(checked.rows) + checked.without_area)
    if checked.classes.left_out:
        logger.warning("%s: left out: %s", path, "; ".join(checked.classes.left_out))
    if checked.ignored:
        logger.info("%s: %d annotations of other categories are left out", path, checked.ignored)


def _dataset(checked: Annotations, stored: StoredAnnotations, images: Path) -> Dataset:
    pictures = checked.tables.pictures
    records = RecordTable(
        folder=images,
        names=pictures.names,
        image_ids=pictures.ids,
        sizes=pictures.sizes,
        ends=np.searchsorted(checked.image, np.arange(len(pictures.ids)), side="right"),
        boxes=checked.boxes,
        labels=checked.labels,
        crowd=checked.crowd,
        read_mask=stored.mask,
        read_stated=stored.stated,
    )
    shapeless = checked.shapeless
    return Dataset(
        records=records,
        classes=checked.classes.classes,
        category_ids=checked.classes.category_ids,
        annotation_file=checked.tables.path,
        without_mask=_compact(checked.ids[checked.without_mask]),
        shapeless=Shapeless(checked.ids[shapeless].tolist(), records.without(shapeless)) if shapeless.any() else None,
    )


def _compact(ids: Ints) -> Sequence[int]:
    return tuple(ids.tolist()) if ids.dtype == object else array("q", ids.tobytes())
