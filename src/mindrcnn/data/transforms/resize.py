"""Keep-ratio resizing into a bucket."""

from __future__ import annotations

import cv2
import numpy as np

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.transforms.target import Target

# Bilinear interpolation reads the four neighbours of a point, so below half the size it leaves pixels out and small
# structures flicker; averaging over the area reads them all.
LEAST_BILINEAR_SCALE = 0.5


def fitted_size(height: int, width: int, *, short_side: int, bucket: tuple[int, int]) -> tuple[int, int]:
    """(h, w) after scaling the short side to `short_side`, or less where the bucket (h, w) would not hold the image."""
    scale = min(short_side / min(height, width), bucket[0] / height, bucket[1] / width)
    return (
        min(max(int(height * scale + 0.5), 1), bucket[0]),
        min(max(int(width * scale + 0.5), 1), bucket[1]),
    )


def resize_image(image: RGBImage, size: tuple[int, int]) -> RGBImage:
    """(H, W, 3) -> (*size, 3), bilinear with half-pixel centres, area average below half the size."""
    height, width = size
    if image.shape[:2] == size:
        return image
    shrinks = min(height / image.shape[0], width / image.shape[1]) < LEAST_BILINEAR_SCALE
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def resize(image: RGBImage, target: Target, size: tuple[int, int]) -> tuple[RGBImage, Target]:
    """The image at `size` (h, w) and its objects there; each axis by its own exact factor, as rounding made it."""
    factor_x, factor_y = size[1] / image.shape[1], size[0] / image.shape[0]
    boxes = target.boxes.astype(np.float64) * (factor_x, factor_y, factor_x, factor_y)
    return resize_image(image, size), target.moved(boxes, target.affine.scaled(factor_x, factor_y))
