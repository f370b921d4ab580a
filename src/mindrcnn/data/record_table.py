"""The records of a large data set as columns: about 35 bytes per object and 50 per image, however large the masks are.

A million images with as many objects as COCO's take 300 MB this way; as one Python object each they would take several
GB.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from mindrcnn.data.masks import Segmentation
from mindrcnn.data.record import Record, RecordSelection
from mindrcnn.data.transforms.affine import Floats


def describe_records(records: Sequence[Record]) -> dict[str, str]:
    """Returns the number of images, and a checksum of their names, sizes and objects, to compare data sets by."""
    digest = hashlib.sha256()
    if isinstance(records, RecordTable):
        for column in (records.names, records.image_ids, records.sizes, records.ends, records.boxes, records.labels):
            digest.update(np.ascontiguousarray(column).tobytes())
    else:
        for record in records:
            digest.update(repr((record.image_id, record.path.name, record.size)).encode(errors="surrogateescape"))
            digest.update(record.boxes.tobytes() + record.labels.tobytes())
    return {"images": str(len(records)), "checksum": digest.hexdigest()[:16]}


@dataclass(frozen=True, eq=False)
class LazyMasks(Sequence["Segmentation | None"]):
    """The masks of objects `start` to `end` of the table, each read on access."""

    read: Callable[[int], Segmentation | None]
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    @overload
    def __getitem__(self, index: int) -> Segmentation | None: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Segmentation | None]: ...
    def __getitem__(self, index: int | slice) -> Segmentation | Sequence[Segmentation | None] | None:
        objects = range(self.start, self.end)[index]
        return self.read(objects) if isinstance(objects, int) else [self.read(position) for position in objects]


@dataclass(frozen=True, eq=False, kw_only=True)
class RecordTable(Sequence[Record]):
    """n images and their m objects, ordered by image; each Record is created on access.

    ends: one past the last object of each image.
    read_mask: returns the mask of the object with this index.
    read_bytes: returns the file of the image with this index; None if images are read from `folder`.
    """

    folder: Path
    names: npt.NDArray[np.bytes_]  # (n,) as the file system encodes them
    image_ids: npt.NDArray[np.int64]  # (n,)
    sizes: npt.NDArray[np.int32]  # (n, 2) as (h, w)
    ends: npt.NDArray[np.int64]  # (n,)
    boxes: Floats  # (m, 4) xyxy
    labels: npt.NDArray[np.int32]  # (m,)
    crowd: npt.NDArray[np.bool_]  # (m,)
    read_mask: Callable[[int], Segmentation | None]
    read_bytes: Callable[[int], bytes] | None = None

    def __len__(self) -> int:
        return len(self.image_ids)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return RecordSelection(self, np.arange(len(self))[index])
        if not -len(self) <= index < len(self):
            raise IndexError(f"no image {index} among {len(self)}")
        index %= len(self)
        start, end = int(self.ends[index - 1]) if index else 0, int(self.ends[index])
        height, width = self.sizes[index].tolist()
        return Record(
            image_id=int(self.image_ids[index]),
            path=self.folder / os.fsdecode(self.names[index]),
            height=height,
            width=width,
            boxes=self.boxes[start:end],
            labels=self.labels[start:end],
            crowd=self.crowd[start:end],
            segmentations=LazyMasks(self.read_mask, start, end),
            encoded=None if self.read_bytes is None else partial(self.read_bytes, index),
        )
