"""The objects of one image while it is being transformed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mindrcnn.data.masks import Bitmap, Segmentation
from mindrcnn.data.record import Record
from mindrcnn.data.transforms.affine import AxisAffine, Doubles, Floats


@dataclass(frozen=True, eq=False)
class Target:
    """boxes (N, 4) float32 xyxy in the image as it is now; labels (N,) int32 1..K; crowd (N,) bool; segmentations stay
    in the file's pixels, and `affine` leads from there to the image as it is now."""

    boxes: Floats
    labels: npt.NDArray[np.int32]
    crowd: npt.NDArray[np.bool_]
    segmentations: tuple[Segmentation | None, ...]
    affine: AxisAffine

    @classmethod
    def of(cls, record: Record) -> Target:
        """The record's objects, before any transformation."""
        return cls(record.boxes, record.labels, record.crowd, tuple(record.segmentations), AxisAffine())

    def __len__(self) -> int:
        return len(self.labels)

    def moved(self, boxes: Doubles, affine: AxisAffine) -> Target:
        """The same objects elsewhere."""
        return replace(self, boxes=boxes.astype(np.float32), affine=affine)

    def chosen(self, kept: npt.NDArray[np.int64]) -> Target:
        """The objects at these places."""
        return Target(
            boxes=self.boxes[kept],
            labels=self.labels[kept],
            crowd=self.crowd[kept],
            segmentations=tuple(self.segmentations[index] for index in kept),
            affine=self.affine,
        )

    def rasterised(self, side: int) -> Bitmap:
        """(N, side, side) uint8 0/1: each object's mask in the frame of its own box; zeros for crowds and for objects
        without a segmentation."""
        masks = np.zeros((len(self), side, side), dtype=np.uint8)
        for index, segmentation in enumerate(self.segmentations):
            if segmentation is not None and not self.crowd[index]:
                masks[index] = segmentation.rasterise(self.affine, self.boxes[index], side)
        return masks
