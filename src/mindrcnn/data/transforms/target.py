"""The objects of an image during its transformation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mindrcnn.data.masks import Bitmap, shape_of
from mindrcnn.data.record import Record
from mindrcnn.data.transforms.affine import AxisAffine, Doubles, Floats


class Shape(Protocol):
    """An object's mask; see `mindrcnn.data.masks.Polygons`, which is one."""

    def rasterise(self, affine: AxisAffine, box: npt.ArrayLike, side: int) -> Bitmap: ...
    def draw(self, affine: AxisAffine, box: npt.ArrayLike, rows: int, columns: int) -> Bitmap: ...
    def extent(self, window: Doubles) -> Doubles | None: ...


@dataclass(frozen=True, eq=False)
class Target:
    """The N objects of an image.

    boxes: (N, 4) float32 xyxy in pixels of the transformed image.
    labels: (N,) int32, 1..K.
    crowd: (N,) bool.
    segmentations: N masks, still in the file's pixels.
    affine: the map from the file's pixels to those of the transformed image.
    """

    boxes: Floats
    labels: npt.NDArray[np.int32]
    crowd: npt.NDArray[np.bool_]
    segmentations: tuple[Shape | None, ...]
    affine: AxisAffine

    @classmethod
    def of(cls, record: Record) -> Target:
        """Returns the record's objects, before any transformation."""
        return cls(record.boxes, record.labels, record.crowd, tuple(map(shape_of, record.segmentations)), AxisAffine())

    def __len__(self) -> int:
        return len(self.labels)

    def move_to(self, boxes: Doubles, affine: AxisAffine) -> Target:
        """Returns the same objects with new boxes (N, 4) and the map that leads to them."""
        return replace(self, boxes=boxes.astype(np.float32), affine=affine)

    def select(self, indices: npt.NDArray[np.int64]) -> Target:
        """Returns the objects at these indices."""
        return Target(
            boxes=self.boxes[indices],
            labels=self.labels[indices],
            crowd=self.crowd[indices],
            segmentations=tuple(self.segmentations[index] for index in indices),
            affine=self.affine,
        )

    def rasterise(self, side: int) -> Bitmap:
        """Returns (N, side, side) uint8 0/1: each object's mask in the frame of its box.

        Crowds and objects without a segmentation get zeros.
        """
        masks = np.zeros((len(self), side, side), dtype=np.uint8)
        for index, segmentation in enumerate(self.segmentations):
            if segmentation is not None and not self.crowd[index]:
                masks[index] = segmentation.rasterise(self.affine, self.boxes[index], side)
        return masks
