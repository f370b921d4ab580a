"""Brightness, contrast, saturation and hue jitter, with the ranges of SSD (https://arxiv.org/abs/1512.02325)."""

from __future__ import annotations

import cv2
import numpy as np

from mindrcnn.data.image_io import RGBImage

EACH_PROB = 0.5  # probability of each of the four changes, as in SSD
BRIGHTNESS = 32.0  # largest offset either way
CONTRAST = (0.5, 1.5)  # factor
SATURATION = (0.5, 1.5)  # factor
HUE = 18.0  # degrees, either way
OPENCV_HUES = 180  # OpenCV's 8-bit hue counts steps of two degrees


def jitter_colours(image: RGBImage, rng: np.random.Generator) -> RGBImage:
    """Returns a new RGB image of the same shape; the contrast changes before or after the colours, at random."""
    brightness = rng.uniform(-BRIGHTNESS, BRIGHTNESS) if rng.random() < EACH_PROB else 0.0
    contrast = rng.uniform(*CONTRAST) if rng.random() < EACH_PROB else 1.0
    saturation = rng.uniform(*SATURATION) if rng.random() < EACH_PROB else 1.0
    hue = rng.uniform(-HUE, HUE) if rng.random() < EACH_PROB else 0.0
    contrast_first = rng.random() < 0.5

    image = _linear(image, contrast if contrast_first else 1.0, brightness)
    image = _shift_colours(image, saturation, hue)
    return image if contrast_first else _linear(image, contrast, 0.0)


def _linear(image: RGBImage, factor: float, offset: float) -> RGBImage:
    table = np.clip((np.arange(256) + offset) * factor + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def _shift_colours(image: RGBImage, saturation: float, hue: float) -> RGBImage:
    if saturation == 1.0 and hue == 0.0:
        return image  # converting to 8-bit HSV and back is not exact
    levels = np.arange(256)
    tables = np.stack(
        [
            (levels + round(hue / 2)) % OPENCV_HUES,
            np.clip(levels * saturation + 0.5, 0, 255),
            levels,
        ],
        axis=1,
    ).astype(np.uint8)
    hsv = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), tables[None])
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)
