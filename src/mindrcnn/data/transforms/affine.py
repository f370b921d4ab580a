"""Scale and shift per axis, from the pixels of the file to those of the transformed image.

Every geometric augmentation here (scale, flip, crop, expand) is such a map, so masks are never transformed: they stay
as stored in the file, next to one AxisAffine, until they are rasterised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AxisAffine:
    """The map x_image = scale_x * x_file + shift_x, and the same for y; scale_x is negative in a mirrored image."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0

    def scale(self, factor_x: float, factor_y: float) -> AxisAffine:
        """Returns the map after resizing the image by these factors."""
        return AxisAffine(
            self.scale_x * factor_x, self.scale_y * factor_y, self.shift_x * factor_x, self.shift_y * factor_y
        )

    def shift(self, x: float, y: float) -> AxisAffine:
        """Returns the map after moving the image content right by x and down by y pixels."""
        return replace(self, shift_x=self.shift_x + x, shift_y=self.shift_y + y)

    def after(self, first: AxisAffine) -> AxisAffine:
        """Returns the map that applies `first`, then this one."""
        return first.scale(self.scale_x, self.scale_y).shift(self.shift_x, self.shift_y)

    def mirror(self, width: float) -> AxisAffine:
        """Returns the map after a left-right flip of an image of this width."""
        return replace(self, scale_x=-self.scale_x, shift_x=width - self.shift_x)

    def to_file(self, box: Doubles) -> Doubles:
        """Converts one xyxy box (4,) from pixels of the transformed image to the file's."""
        x1, y1, x2, y2 = box
        left, right = sorted(((x1 - self.shift_x) / self.scale_x, (x2 - self.shift_x) / self.scale_x))
        return np.array(
            [left, (y1 - self.shift_y) / self.scale_y, right, (y2 - self.shift_y) / self.scale_y], dtype=np.float64
        )

    def from_file(self, box: Doubles) -> Doubles:
        """Converts one xyxy box (4,) from the file's pixels to those of the transformed image."""
        x1, y1, x2, y2 = box
        left, right = sorted((x1 * self.scale_x + self.shift_x, x2 * self.scale_x + self.shift_x))
        return np.array(
            [left, y1 * self.scale_y + self.shift_y, right, y2 * self.scale_y + self.shift_y], dtype=np.float64
        )
