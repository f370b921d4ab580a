"""Places the image on a larger canvas, which makes its objects small (SSD's zoom out)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.target import Target


def expand(
    image: RGBImage, target: Target, rng: np.random.Generator, *, max_ratio: float, fill: Sequence[float]
) -> tuple[RGBImage, Target]:
    """The image at a random place of a canvas up to `max_ratio` times its sides, elsewhere coloured `fill` (RGB)."""
    height, width = image.shape[:2]
    ratio = rng.uniform(1.0, max_ratio)
    canvas_height, canvas_width = round(height * ratio), round(width * ratio)
    top = int(rng.integers(canvas_height - height + 1))
    left = int(rng.integers(canvas_width - width + 1))
    canvas = np.empty((canvas_height, canvas_width, 3), dtype=np.uint8)
    canvas[:] = np.clip(np.asarray(fill) + 0.5, 0, 255).astype(np.uint8)
    canvas[top : top + height, left : left + width] = image
    boxes = target.boxes + np.array([left, top, left, top], dtype=np.float64)
    return canvas, target.moved(boxes, target.frame.shifted(left, top))
