"""Resizing into a bucket."""

from __future__ import annotations

import cv2
import numpy as np

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.transforms.target import Target

# Bilinear interpolation reads the four neighbours of a point, so below half the size it skips pixels and aliases fine
# detail; area averaging reads every pixel.
LEAST_BILINEAR_SCALE = 0.5


def fitted_size(
    height: int, width: int, *, short_side: int, bucket: tuple[int, int], keep_ratio: bool = True
) -> tuple[int, int]:
    """Returns (h, w) after scaling the short side to `short_side`, or to less if the bucket (h, w) is too small.

    Without `keep_ratio` it is the bucket.
    """
    bucket_height, bucket_width = bucket
    if not keep_ratio:
        return bucket_height, bucket_width
    scale = min(short_side / min(height, width), bucket_height / height, bucket_width / width)
    return (
        min(max(int(height * scale + 0.5), 1), bucket_height),
        min(max(int(width * scale + 0.5), 1), bucket_width),
    )


def resize_image(image: RGBImage, size: tuple[int, int]) -> RGBImage:
    """Resizes (H, W, 3) to (*size, 3): bilinear with half-pixel centres, or area averaging below half the size."""
    if image.shape[:2] == size:
        return image
    (height, width), (old_height, old_width) = size, image.shape[:2]
    use_area = min(height / old_height, width / old_width) < LEAST_BILINEAR_SCALE
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if use_area else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def resize(image: RGBImage, target: Target, size: tuple[int, int]) -> tuple[RGBImage, Target]:
    """Resizes image and objects to `size` (h, w), each axis by its own factor, since sizes are rounded separately."""
    (height, width), (old_height, old_width) = size, image.shape[:2]
    factor_x, factor_y = width / old_width, height / old_height
    boxes = target.boxes.astype(np.float64) * (factor_x, factor_y, factor_x, factor_y)
    return resize_image(image, size), target.move_to(boxes, target.affine.scale(factor_x, factor_y))
