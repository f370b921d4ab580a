"""The output of every reader: one Record per image, and the Dataset that holds them.

N is the number of objects in the image. Boxes are xyxy float32 in pixels of the image file after EXIF rotation, with
no "+1".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from mindrcnn.data.federation import Federation
from mindrcnn.data.image_io import RGBImage, decode_image, read_image
from mindrcnn.data.masks import Segmentation
from mindrcnn.data.transforms.affine import Doubles, Floats
from mindrcnn.errors import InputError
from mindrcnn.messages import shorten

logger = logging.getLogger(__name__)

SHOWN_IDS = 5  # annotation ids in a message

# Annotations have two decimals of a pixel, so a smaller side can only be a zero with rounding errors.
MIN_BOX_SIDE = 1e-3


@dataclass(frozen=True, eq=False)
class Stated:
    """An object as its annotation file states it, checked but neither clipped nor rounded.

    box: x, y, width, height.
    area: None if the file has none.
    segmentation: polygons or run lengths in COCO's form, None if the file has none.
    """

    box: tuple[float, float, float, float]
    area: float | None
    segmentation: Any


@dataclass(frozen=True, eq=False)
class Record:
    """One image and its objects.

    boxes: (N, 4) float32, inside the image.
    labels: (N,) int32, 1..K.
    crowd: (N,) bool, true for an ignore region that stands for many objects.
    segmentations: N masks in the file's pixels, None for an object with only a box; each access may read a file.
    encoded: returns the bytes of the image file, for a record whose `path` is only the file's name.
    stated: the N objects as the annotation file states them, for evaluation; None if it says no more than the record.
    """

    image_id: int
    path: Path
    height: int
    width: int
    boxes: Floats
    labels: npt.NDArray[np.int32]
    crowd: npt.NDArray[np.bool_]
    segmentations: Sequence[Segmentation | None]
    encoded: Callable[[], bytes] | None = None
    stated: Sequence[Stated] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Returns (height, width)."""
        return self.height, self.width

    @property
    def has_objects(self) -> bool:
        """Says whether any object is not a crowd; an image of crowds is empty, as in detectron2 and torchvision."""
        return not self.crowd.all()

    def image(self) -> RGBImage:
        """Reads the image: RGB (H, W, 3) uint8 of the annotated size, see `read_image`."""
        if self.encoded is None:
            return read_image(self.path, annotated_size=self.size)
        return decode_image(self.encoded(), name=self.path, annotated_size=self.size)


@dataclass(frozen=True, eq=False)
class RecordSelection(Sequence[Record]):
    """The records at `indices` (n,) of a longer sequence, each created on access."""

    records: Sequence[Record]
    indices: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> RecordSelection: ...
    def __getitem__(self, index: int | slice) -> Record | RecordSelection:
        if isinstance(index, slice):
            return RecordSelection(self.records, self.indices[index])
        return self.records[int(self.indices[index])]


@dataclass(frozen=True, eq=False)
class Shapeless:
    """The objects, crowds excepted, of which every polygon has fewer than three corners, so that only a box is left.

    ids: their annotation ids.
    others: the records of the split without them.
    """

    ids: Sequence[int]
    others: Sequence[Record]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A split.

    category_ids: category_ids[label - 1] is the file's id of a label.
    without_mask: annotation ids (row numbers in a TXT list) of the objects, crowds excepted, that have only a box.
    shapeless: objects that a model with masks cannot use; None if there are none.
    federation: which classes each image was searched for; None if every image was for all.
    """

    records: Sequence[Record]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    annotation_file: Path
    without_mask: Sequence[int]
    shapeless: Shapeless | None = None
    federation: Federation | None = None

    @property
    def has_masks(self) -> bool:
        """Says whether every object that is not a crowd has a mask."""
        return not self.without_mask

    def first_evenly(self, limit: int) -> Dataset:
        """Returns the split with at most `limit` of its images, spread evenly over their order."""
        count = len(self.records)
        return self if count <= limit else self._select(np.arange(limit, dtype=np.int64) * count // limit)

    def first(self, limit: int) -> Dataset:
        """Returns the split with its first `limit` images."""
        return self if len(self.records) <= limit else self._select(np.arange(limit, dtype=np.int64))

    def _select(self, indices: npt.NDArray[np.int64]) -> Dataset:
        shapeless = self.shapeless
        if shapeless is not None:
            shapeless = replace(shapeless, others=RecordSelection(shapeless.others, indices))
        return replace(self, records=RecordSelection(self.records, indices), shapeless=shapeless)

    def require_masks(
        self, reason: str = "the model has a mask branch, which train.mask_branch=false leaves as it is"
    ) -> Dataset:
        """Returns the split for a model with masks: without shapeless objects, which the log counts.

        Raises InputError, which states the reason, unless every other object that is not a crowd has a mask.
        """
        if self.without_mask:
            raise InputError(
                f"{self.annotation_file}: wanted a segmentation for every object, because {reason}; "
                f"{len(self.without_mask)} objects have none (first: {shorten(self.without_mask, SHOWN_IDS)})"
            )
        if self.shapeless is None:
            return self
        logger.warning(
            "%s: %d objects have only polygons of fewer than 3 corners and are dropped (first: %s)",
            self.annotation_file, len(self.shapeless.ids), shorten(self.shapeless.ids, SHOWN_IDS),
        )  # fmt: skip
        return replace(self, records=self.shapeless.others, shapeless=None)


def training_records(dataset: Dataset, *, keep_empty_images: bool) -> Sequence[Record]:
    """Returns the records to train on: those with objects, or all of them. Raises InputError if there are none."""
    if keep_empty_images:
        kept = dataset.records
    else:
        has_objects = np.fromiter((record.has_objects for record in dataset.records), dtype=bool)
        kept = RecordSelection(dataset.records, np.flatnonzero(has_objects))
        empty = len(dataset.records) - len(kept)
        if empty and kept:
            logger.info("%s: training leaves out %d images without objects", dataset.annotation_file, empty)
    if not kept:
        crowds = sum(len(record.crowd) for record in dataset.records)
        raise InputError(f"{dataset.annotation_file}: {nothing_to_train_on(crowds)}")
    return kept


def nothing_to_train_on(crowds: int) -> str:
    """Returns the message about a split without objects, of which `crowds` regions are all that is annotated."""
    if crowds:
        return f"wanted objects to train on, got only {crowds} crowds (iscrowd 1), which are regions to ignore"
    return "wanted images with objects to train on, got none"


def clip_boxes(boxes: Doubles, sizes: npt.NDArray[np.integer[Any]]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Clips xyxy boxes (N, 4) to their images' sizes (N, 2), (h, w).

    Returns the clipped boxes (N, 4) float32, and (N,) bool: whether anything of the box is left.
    """
    height, width = sizes.astype(np.float64).T
    clipped = np.clip(boxes, 0.0, np.stack([width, height, width, height], axis=1))
    has_area = (clipped[:, 2:] - clipped[:, :2] >= MIN_BOX_SIDE).all(axis=1)
    return clipped.astype(np.float32), has_area


def log_dropped(source: Path, dropped: int, total: int) -> None:
    """Logs how many objects are dropped because they have no area inside their image."""
    if dropped:
        logger.warning("%s: %d of %d objects have no area inside their image and are dropped", source, dropped, total)
