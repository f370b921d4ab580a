"""One scale and shift per axis, from the pixels of the file to those of the transformed image.

Every geometric augmentation here (scale, flip, crop, expand) is such a map, so masks are never transformed: they stay
as the file has them, together with one AxisAffine, until they are rasterised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AxisAffine:
    """x_now = scale_x * x_file + shift_x, and the same for y; a negative scale_x is a mirrored image."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0

    def scaled(self, factor_x: float, factor_y: float) -> AxisAffine:
        """The map after the image was resized by these factors."""
        return AxisAffine(
            self.scale_x * factor_x, self.scale_y * factor_y, self.shift_x * factor_x, self.shift_y * factor_y
        )

    def shifted(self, x: float, y: float) -> AxisAffine:
        """The map after the image content moved right by x and down by y pixels."""
        return replace(self, shift_x=self.shift_x + x, shift_y=self.shift_y + y)

    def mirrored(self, width: float) -> AxisAffine:
        """The map after a left-right flip of an image of this width."""
        return replace(self, scale_x=-self.scale_x, shift_x=width - self.shift_x)

    def to_file(self, box: Doubles) -> Doubles:
        """One xyxy box (4,) of the image as it is now, in the file's pixels."""
        x1, y1, x2, y2 = box
        left, right = sorted(((x1 - self.shift_x) / self.scale_x, (x2 - self.shift_x) / self.scale_x))
        return np.array(
            [left, (y1 - self.shift_y) / self.scale_y, right, (y2 - self.shift_y) / self.scale_y], dtype=np.float64
        )

    def from_file(self, box: Doubles) -> Doubles:
        """One xyxy box (4,) of the file's pixels in the image as it is now."""
        x1, y1, x2, y2 = box
        left, right = sorted((x1 * self.scale_x + self.shift_x, x2 * self.scale_x + self.shift_x))
        return np.array(
            [left, y1 * self.scale_y + self.shift_y, right, y2 * self.scale_y + self.shift_y], dtype=np.float64
        )
