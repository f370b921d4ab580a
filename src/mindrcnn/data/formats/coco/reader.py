"""COCO JSON annotations (https://cocodataset.org/#format-data) as a Dataset."""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mindrcnn import paths
from mindrcnn.data.formats.class_list import ClassList, match_classes
from mindrcnn.data.formats.coco.columns import Ints, places_of, require_unique
from mindrcnn.data.formats.coco.segmentation import StoredMasks
from mindrcnn.data.formats.coco.tables import Categories, Mask, Objects, read_tables
from mindrcnn.data.formats.image_files import require_images
from mindrcnn.data.record import Dataset, clip_boxes, log_dropped
from mindrcnn.data.record_table import RecordTable
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)


def read_coco(
    *, annotations: Path, images: Path, classes: Sequence[str] = (), ignore_other_categories: bool = False
) -> Dataset:
    """Returns all images of `annotations`, in the file's order; their names are relative to the folder `images`.

    `classes` gives the order of the labels; empty: the file's categories by ascending id. Boxes are clipped to their
    image; objects without area are dropped and counted. `iscrowd` may be missing (0), as may `segmentation` (box only).
    The masks stay in the file, which is read again for each image. Raises InputError that names the file and the id:
    malformed or missing keys, repeated ids, an annotation of an unknown image or category, a class list that does not
    match, missing images.
    """
    try:
        with paths.open_file(annotations, "annotation file") as file:
            pictures, objects, categories = read_tables(annotations, file)
            if not len(pictures.ids):
                raise InputError(f"{annotations}: images: wanted at least one, got none")
            require_unique(annotations, "images", pictures.ids)
            require_images([os.fsdecode(name) for name in pictures.names], folder=images, listed_in=annotations)
            labels, class_list = _labels(annotations, objects, categories, classes, ignore_other_categories)
            require_unique(annotations, "annotations", objects.ids)
            of_image = places_of(objects.image_ids, pictures.ids)
            _require_known(annotations, objects, "image_id", objects.image_ids, of_image, "images")
            boxes, kept = _usable(annotations, objects, labels, of_image, pictures.sizes)
            masks = StoredMasks(
                path=annotations,
                descriptor=file.fileno(),
                starts=objects.starts[kept],
                lengths=objects.lengths[kept].astype(np.int32),
            )
    except OSError as error:
        raise InputError(f"{annotations}: cannot be read: {error.strerror}") from error
    without_mask = objects.ids[kept][~objects.crowd[kept] & (objects.masks[kept] == Mask.NONE)]
    return Dataset(
        records=RecordTable(
            folder=images,
            names=pictures.names,
            image_ids=pictures.ids,
            sizes=pictures.sizes,
            ends=np.searchsorted(of_image[kept], np.arange(len(pictures.ids)), side="right"),
            boxes=boxes,
            labels=labels[kept].astype(np.int32),
            crowd=objects.crowd[kept],
            read_mask=masks,
        ),
        classes=class_list.classes,
        category_ids=class_list.category_ids,
        annotation_file=annotations,
        without_mask=array("q", without_mask.tobytes()),
    )


def _labels(
    path: Path, objects: Objects, categories: Categories, classes: Sequence[str], ignore_others: bool
) -> tuple[Ints, ClassList]:
    """Returns a label for every annotation, 0 if its category is ignored, and the class list."""
    require_unique(path, "categories", categories.ids)
    place = places_of(objects.category_ids, categories.ids)
    _require_known(path, objects, "category_id", objects.category_ids, place, "categories")
    class_list = match_classes(
        path=path,
        names=categories.names,
        ids=categories.ids.tolist(),
        wanted=classes,
        used=frozenset(np.unique(objects.category_ids).tolist()),
        ignore_others=ignore_others,
    )
    return places_of(objects.category_ids, np.array(class_list.category_ids)) + 1, class_list


def _require_known(path: Path, objects: Objects, key: str, values: Ints, places: Ints, table: str) -> None:
    unknown = np.flatnonzero(places < 0)
    if len(unknown):
        first = unknown[0]
        raise InputError(
            f"{path}: annotation id {objects.ids[first]}: {key} {values[first]} is not among the {table} "
            f"({len(unknown)} annotations like this)"
        )


def _usable(
    path: Path, objects: Objects, labels: Ints, of_image: Ints, sizes: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.float32], Ints]:
    """Returns the clipped boxes (m, 4) float32 of the objects that are kept, and their indices, ordered by image."""
    wanted = labels > 0
    order = np.argsort(of_image, kind="stable")
    order = order[wanted[order]]
    boxes, has_area = clip_boxes(objects.boxes[order], sizes[of_image[order]])
    _require_good_masks(path, objects, order[has_area], sizes, of_image)
    usable = has_area & (objects.masks[order] != Mask.EMPTY)
    log_dropped(path, int((~usable).sum()), len(order))
    if not wanted.all():
        logger.info("%s: %d annotations of other categories are left out", path, int((~wanted).sum()))
    return boxes[usable], order[usable]


def _require_good_masks(
    path: Path, objects: Objects, places: Ints, sizes: npt.NDArray[np.int32], of_image: Ints
) -> None:
    """Raises InputError for the first of these objects whose segmentation is malformed or not of its image's size."""
    bad = places[objects.masks[places] == Mask.BAD]
    if len(bad):
        raise InputError(f"{path}: annotation id {objects.ids[bad[0]]}: {objects.problems[int(objects.ids[bad[0]])]}")
    encoded = places[objects.masks[places] == Mask.RUN_LENGTHS]
    differs = encoded[(objects.mask_sizes[encoded] != sizes[of_image[encoded]]).any(axis=1)]
    if len(differs):
        first = differs[0]
        wanted, got = sizes[of_image[first]].tolist(), objects.mask_sizes[first].tolist()
        raise InputError(
            f"{path}: annotation id {objects.ids[first]}: segmentation size: wanted the image's height and width "
            f"{wanted}, got {got}"
        )
