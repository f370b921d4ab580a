"""Large-scale jitter: a random scale, then a crop of fixed size (Ghiasi et al., https://arxiv.org/abs/2012.07177).

Scale and position are drawn as by detectron2's ResizeScale and FixedSizeCrop.
"""

from __future__ import annotations

import numpy as np

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.record import MIN_BOX_SIDE
from mindrcnn.data.transforms.geometric import cut_objects
from mindrcnn.data.transforms.resize import resize
from mindrcnn.data.transforms.target import Target

PADDING = 128  # grey level outside a small image, which counts as part of the picture


def jitter_scale(
    image: RGBImage, target: Target, rng: np.random.Generator, *, scales: tuple[float, ...], size: tuple[int, int]
) -> tuple[RGBImage, Target]:
    """Scales the image at random and crops it to `size`.

    image: (H, W, 3) RGB uint8.
    target: its objects.
    rng: draws the scale and the position of the crop.
    scales: smallest and largest scale; at 1 the image just fits into `size`.
    size: (h, w) of the result.
    """
    height, width = image.shape[:2]
    smallest, largest = scales
    factor = rng.uniform(smallest, largest) * min(size[0] / height, size[1] / width)
    scaled = max(round(height * factor), 1), max(round(width * factor), 1)
    return fixed_size_crop(*resize(image, target, scaled), rng, size=size)


def fixed_size_crop(
    image: RGBImage, target: Target, rng: np.random.Generator, *, size: tuple[int, int]
) -> tuple[RGBImage, Target]:
    """Crops an image to `size` (h, w), and fills what it lacks at the right and at the bottom with grey.

    One draw places the window on both axes. Objects are cut at the window, down to any size; those with nothing left
    are dropped, even if none remains.
    """
    share = rng.uniform()
    top, left = (round(max(side - wanted, 0) * share) for side, wanted in zip(image.shape[:2], size, strict=True))
    seen = image[top : top + size[0], left : left + size[1]]
    height, width = seen.shape[:2]
    canvas = np.full((*size, 3), PADDING, dtype=np.uint8)
    canvas[:height, :width] = seen
    window = np.array([left, top, left + width, top + height], dtype=np.float64)
    return canvas, cut_objects(target, window, min_side=MIN_BOX_SIDE)
