"""The sequence of random transformations of a training image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.transforms.geometric import crop, expand, flip
from mindrcnn.data.transforms.photometric import jitter_colours
from mindrcnn.data.transforms.resize import fitted_size, resize
from mindrcnn.data.transforms.scale_jitter import jitter_scale
from mindrcnn.data.transforms.target import Target

_IMAGE_STREAM = 0x1A6E  # keeps these draws apart from the batch plan's for the same seed and epoch


def image_rng(seed: int, epoch: int, image_id: int, repeat: int = 0) -> np.random.Generator:
    """Returns the random generator of an image in an epoch, whatever the thread and the order of calls.

    `repeat` counts the earlier uses of the image in the same epoch.
    """
    again = (repeat,) if repeat else ()
    return np.random.default_rng((_IMAGE_STREAM, seed, epoch, image_id % 2**64, *again))


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Photometric jitter, expand, crop, scale jitter and flip, each if asked for, then the resize into the bucket.

    The default only resizes.

    short_sides: one is drawn for each image; empty uses the caller's.
    expand_fill: the canvas colour, RGB, 0..255.
    crop_size: (h, w) of every crop in pixels; empty draws sizes by crop_min_scale.
    scale_jitter: smallest and largest scale of large-scale jitter, which fills the bucket whatever the short side;
        empty for none.
    copy_paste_prob: how often a second image's objects are pasted on top; the loader does it, which has the images.
    keep_ratio: whether images keep their ratio of sides; if not, they fill their bucket.
    """

    flip_prob: float = 0.0
    short_sides: tuple[int, ...] = ()
    photometric_prob: float = 0.0
    expand_prob: float = 0.0
    expand_max_ratio: float = 2.0
    expand_fill: tuple[float, float, float] = (123.675, 116.28, 103.53)  # ImageNet's mean colour
    crop_prob: float = 0.0
    crop_min_scale: float = 0.5
    crop_size: tuple[int, ...] = ()
    scale_jitter: tuple[float, ...] = ()
    copy_paste_prob: float = 0.0
    keep_ratio: bool = True

    def __call__(
        self, image: RGBImage, target: Target, rng: np.random.Generator, *, short_side: int, bucket: tuple[int, int]
    ) -> tuple[RGBImage, Target]:
        """Transforms an image and its objects to fit into a bucket.

        image: (H, W, 3) RGB uint8 of any size.
        target: its objects.
        rng: draws everything random; see `image_rng`.
        short_side: target length of the short side, unless `short_sides` is given.
        bucket: largest (h, w) of the result.
        """
        if rng.random() < self.photometric_prob:
            image = jitter_colours(image, rng)
        if rng.random() < self.expand_prob:
            image, target = expand(image, target, rng, max_ratio=self.expand_max_ratio, fill=self.expand_fill)
        if rng.random() < self.crop_prob:
            image, target = crop(image, target, rng, min_scale=self.crop_min_scale, size=self.crop_size)
        if self.scale_jitter:
            image, target = jitter_scale(image, target, rng, scales=self.scale_jitter, size=bucket)
        if rng.random() < self.flip_prob:
            image, target = flip(image, target)
        if self.scale_jitter:
            return image, target
        wanted = int(rng.choice(self.short_sides)) if self.short_sides else short_side
        size = fitted_size(*image.shape[:2], short_side=wanted, bucket=bucket, keep_ratio=self.keep_ratio)
        return resize(image, target, size)
