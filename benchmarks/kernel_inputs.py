"""Inputs of the kernel cases, the same for both sides, made with numpy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.scene import random_boxes

STRIDES = (4, 8, 16, 32)
CHANNELS = 256
HEIGHT, WIDTH = 800, 1344
LARGEST_BOX = 600  # pixels
P2_LARGEST_BOX = 110  # boxes smaller than 112 x 112 pixels are pooled from P2
ANCHORS = 245_520  # of an image of 768 x 1280 pixels, the size of the model zoo


@dataclass(frozen=True)
class Pooling:
    """Features P2..P5 (1, C, h, w) float32 and boxes (N, 4) xyxy in pixels."""

    features: list[NDArray[np.float32]]
    boxes: NDArray[np.float32]


def boxes_of(count: int, *, height: int = HEIGHT, width: int = WIDTH, largest: float = LARGEST_BOX) -> NDArray:
    """Returns boxes (count, 4) of all sizes up to `largest` inside the image."""
    return random_boxes(np.random.default_rng(1), (count,), height=height, width=width, smallest=16, largest=largest)


def pooling_inputs(boxes: int, *, one_level: bool) -> Pooling:
    """Returns boxes on the pyramid of an 800x1344 image, or all of them on a P2 of 200x200 (other levels: one cell)."""
    rng = np.random.default_rng(0)
    if one_level:
        sides = [(200, 200), (1, 1), (1, 1), (1, 1)]
        found = boxes_of(boxes, height=800, width=800, largest=P2_LARGEST_BOX)
    else:
        sides = [(HEIGHT // stride, WIDTH // stride) for stride in STRIDES]
        found = boxes_of(boxes)
    return Pooling([rng.standard_normal((1, CHANNELS, *side), dtype=np.float32) for side in sides], found)


def scores_of(count: int) -> NDArray[np.float32]:
    """Returns distinct scores, best first."""
    return np.linspace(1, 0, count, dtype=np.float32)


def blobs(count: int, side: int) -> NDArray[np.float32]:
    """Returns smooth masks (count, side, side) of probabilities."""
    rng = np.random.default_rng(0)
    centre = rng.uniform(0.3, 0.7, (count, 2, 1)) * side
    cell = np.arange(side) + 0.5
    distance = ((cell - centre[:, 0]) ** 2)[:, None] + ((cell - centre[:, 1]) ** 2)[:, :, None]
    return np.exp(-distance / (0.3 * side) ** 2).astype(np.float32)


def points_of(maps: int, count: int) -> NDArray[np.float32]:
    """Returns points (maps, count, 2), fractions of a map's sides."""
    return np.random.default_rng(2).random((maps, count, 2), dtype=np.float32)


def maps_of(maps: int, channels: int, height: int, width: int) -> NDArray[np.float32]:
    """Returns maps (maps, channels, height, width) of noise."""
    return np.random.default_rng(3).standard_normal((maps, channels, height, width), dtype=np.float32)
