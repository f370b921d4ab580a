"""The records of a large data set as columns: about 35 bytes an object and 50 an image, whatever their masks are.

A million images with COCO's number of objects are 300 MB so; as one object each they would be several GB.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from mindrcnn.data.masks import Segmentation
from mindrcnn.data.record import Chosen, Record


@dataclass(frozen=True, eq=False)
class Masks(Sequence["Segmentation | None"]):
    """The masks of the objects from place `start` to `end`, each read when it is asked for."""

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
        chosen = range(self.start, self.end)[index]
        return self.read(chosen) if isinstance(chosen, int) else [self.read(place) for place in chosen]


@dataclass(frozen=True, eq=False, kw_only=True)
class RecordTable(Sequence[Record]):
    """Makes each Record when it is asked for. n images, m objects ordered by their image; `ends` (n,) is the place
    after each image's last object. `read_mask` gives the mask of the object at a place, `read_bytes` the image file of
    the image at a place; None where images are read from `folder`."""

    folder: Path
    names: npt.NDArray[np.bytes_]  # n, as the file system has them
    image_ids: npt.NDArray[np.int64]  # n
    sizes: npt.NDArray[np.int32]  # n,2 (h, w)
    ends: npt.NDArray[np.int64]  # n
    boxes: npt.NDArray[np.float32]  # m,4 xyxy
    labels: npt.NDArray[np.int32]  # m
    crowd: npt.NDArray[np.bool_]  # m
    read_mask: Callable[[int], Segmentation | None]
    read_bytes: Callable[[int], bytes] | None = None

    def __len__(self) -> int:
        return len(self.image_ids)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | Sequence[Record]:
        if isinstance(place, slice):
            return Chosen(self, np.arange(len(self))[place])
        if not -len(self) <= place < len(self):
            raise IndexError(f"no image {place} among {len(self)}")
        place %= len(self)
        start, end = int(self.ends[place - 1]) if place else 0, int(self.ends[place])
        height, width = self.sizes[place].tolist()
        return Record(
            image_id=int(self.image_ids[place]),
            path=self.folder / os.fsdecode(self.names[place]),
            height=height,
            width=width,
            boxes=self.boxes[start:end],
            labels=self.labels[start:end],
            crowd=self.crowd[start:end],
            segmentations=Masks(self.read_mask, start, end),
            encoded=None if self.read_bytes is None else partial(self.read_bytes, place),
        )
