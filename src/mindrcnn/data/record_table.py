"""The records of a large data set as columns: about 35 bytes per object and 50 per image, however large the masks are.

A million images with as many objects as COCO's take 300 MB this way; as one Python object each they would take several
GB.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, overload

import numpy as np
import numpy.typing as npt

from mindrcnn.data.masks import Segmentation
from mindrcnn.data.record import Record, RecordSelection, Stated
from mindrcnn.data.transforms.affine import Floats

T = TypeVar("T")


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
class LazyObjects(Sequence[T]):
    """What `read` returns for objects `start` to `end` of the table, on access."""

    read: Callable[[int], T]
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        objects = range(self.start, self.end)[index]
        return self.read(objects) if isinstance(objects, int) else [self.read(position) for position in objects]


@dataclass(frozen=True, eq=False, kw_only=True)
class RecordTable(Sequence[Record]):
    """n images and their m objects, ordered by image; each Record is created on access.

    ends: one past the last object of each image.
    image_ids: of type object where one is larger than int64.
    read_mask: returns the mask of the object with this index.
    read_stated: returns the object with this index as the annotation file states it; None if it says no more.
    read_bytes: returns the file of the image with this index; None if images are read from `folder`.
    """

    folder: Path
    names: Sequence[bytes] | npt.NDArray[np.bytes_]  # (n,) as the file system encodes them
    image_ids: npt.NDArray[np.int64]  # (n,)
    sizes: npt.NDArray[np.int32]  # (n, 2) as (h, w)
    ends: npt.NDArray[np.int64]  # (n,)
    boxes: Floats  # (m, 4) xyxy
    labels: npt.NDArray[np.int32]  # (m,)
    crowd: npt.NDArray[np.bool_]  # (m,)
    read_mask: Callable[[int], Segmentation | None]
    read_stated: Callable[[int], Stated] | None = None
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
            segmentations=LazyObjects(self.read_mask, start, end),
            stated=None if self.read_stated is None else LazyObjects(self.read_stated, start, end),
            encoded=None if self.read_bytes is None else partial(self.read_bytes, index),
        )

    def without(self, dropped: npt.NDArray[np.bool_]) -> RecordTable:
        """Returns the same images without the objects for which `dropped` (m,) is true."""
        places = np.flatnonzero(~dropped)
        read_mask, read_stated = self.read_mask, self.read_stated
        return replace(
            self,
            ends=np.searchsorted(places, self.ends),
            boxes=self.boxes[places],
            labels=self.labels[places],
            crowd=self.crowd[places],
            read_mask=lambda place: read_mask(int(places[place])),
            read_stated=None if read_stated is None else lambda place: read_stated(int(places[place])),
        )
