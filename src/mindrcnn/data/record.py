"""What every reader produces: one Record an image, and the Dataset that holds them.

N objects of the image; boxes are xyxy float32 in pixels of the image file after EXIF rotation, no "+1".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from mindrcnn.data.image_io import RGBImage, decode_image, read_image
from mindrcnn.data.masks import Segmentation
from mindrcnn.errors import InputError
from mindrcnn.messages import shortened

logger = logging.getLogger(__name__)

SHOWN_IDS = 5  # annotation ids in a message

# Annotations are written to two decimals of a pixel: a smaller side can only be what rounding left of zero.
MIN_BOX_SIDE = 1e-3


@dataclass(frozen=True, eq=False)
class Record:
    """One image and its objects.

    boxes (N, 4) float32 inside the image; labels (N,) int32 from 1 to K; crowd (N,) bool, an ignore region that stands
    for many objects; segmentations: N masks in the file's pixels, None for an object that has a box only; they may be
    read from a file each time they are asked for. `encoded` gives the bytes of the image file, where `path` is only its
    name.
    """

    image_id: int
    path: Path
    height: int
    width: int
    boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    crowd: npt.NDArray[np.bool_]
    segmentations: Sequence[Segmentation | None]
    encoded: Callable[[], bytes] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def has_objects(self) -> bool:
        """Whether any object is no crowd. Images of crowds alone count as empty, as in detectron2 and torchvision."""
        return not self.crowd.all()

    def image(self) -> RGBImage:
        """RGB (H, W, 3) uint8 of the annotated size, as `read_image`."""
        if self.encoded is None:
            return read_image(self.path, annotated_size=self.size)
        return decode_image(self.encoded(), name=self.path, annotated_size=self.size)


@dataclass(frozen=True, eq=False)
class Chosen(Sequence[Record]):
    """The records at some `places` (n,) of a longer sequence, each made when it is asked for."""

    records: Sequence[Record]
    places: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Chosen: ...
    def __getitem__(self, index: int | slice) -> Record | Chosen:
        if isinstance(index, slice):
            return Chosen(self.records, self.places[index])
        return self.records[int(self.places[index])]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A split. `category_ids[label - 1]` is the file's own id of a label; `without_mask` are the annotation ids (row
    numbers in a TXT list) of ordinary objects that have a box only."""

    records: Sequence[Record]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    annotation_file: Path
    without_mask: Sequence[int]

    @property
    def has_masks(self) -> bool:
        """Whether every ordinary object has a mask."""
        return not self.without_mask

    def require_masks(self) -> None:
        """InputError unless every ordinary object has a mask."""
        if self.without_mask:
            raise InputError(
                f"{self.annotation_file}: wanted a segmentation for every object, because the model has a mask branch; "
                f"{len(self.without_mask)} objects have none (first: {shortened(self.without_mask, SHOWN_IDS)})"
            )


def training_records(dataset: Dataset, *, keep_empty_images: bool) -> Sequence[Record]:
    """The records that training uses: those with objects, or all of them; InputError where none is left."""
    if keep_empty_images:
        kept = dataset.records
    else:
        has_objects = np.fromiter((record.has_objects for record in dataset.records), dtype=bool)
        kept = Chosen(dataset.records, np.flatnonzero(has_objects))
        left_out = len(dataset.records) - len(kept)
        if left_out:
            logger.info("%s: %d images without objects are left out of training", dataset.annotation_file, left_out)
    if not kept:
        raise InputError(f"{dataset.annotation_file}: wanted images with objects to train on, got none")
    return kept


def clip_boxes(
    boxes: npt.NDArray[np.float64], sizes: npt.NDArray[np.integer[Any]]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """xyxy (N, 4) clipped to their images' (h, w) (N, 2), float32, and (N,) whether anything of them is left."""
    limits = sizes[:, [1, 0, 1, 0]].astype(np.float64)
    clipped = np.clip(boxes, 0.0, limits)
    usable = (clipped[:, 2:] - clipped[:, :2] >= MIN_BOX_SIDE).all(axis=1)
    return clipped.astype(np.float32), usable


def log_dropped(source: Path, dropped: int, total: int) -> None:
    """One line about the objects that had no area inside their image."""
    if dropped:
        logger.warning("%s: %d of %d objects have no area inside their image and are dropped", source, dropped, total)
