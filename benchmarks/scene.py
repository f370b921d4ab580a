"""Generated images with objects, the same for both sides, made with numpy only.

Objects are ellipses that fill their boxes, so an object's mask in the frame of its box is always a disc.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

CLASSES = 90  # torchvision's 91 include the background
NOISE_CELL = 16  # pixels; scale on which the images' noise is smooth
# IoU from which a proposal trains as an object, on both sides. With random weights and the usual 0.5 there would be
# only half as many positives as a trained model gives the mask branch, which are as many as fit.
POSITIVE_IOU = 0.3
SMALLEST_SIDE = 48  # of an object, pixels


@dataclass(frozen=True)
class Scene:
    """Images with objects.

    images: (B, 3, H, W) uint8.
    boxes: (B, N, 4) float32 xyxy, pixels.
    labels: (B, N) int32 in 1..CLASSES.
    """

    images: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int32]


def make_scene(*, batch: int, height: int, width: int, objects: int, seed: int = 0) -> Scene:
    """Returns smooth noise with `objects` objects per image, from SMALLEST_SIDE to the image's short side in size."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (batch, 3, height // NOISE_CELL, width // NOISE_CELL), dtype=np.uint8)
    images = np.stack([[cv2.resize(plane, (width, height)) for plane in planes] for planes in small])
    boxes = random_boxes(
        rng, (batch, objects), height=height, width=width, smallest=SMALLEST_SIDE, largest=min(height, width)
    )
    labels = rng.integers(1, CLASSES + 1, (batch, objects), dtype=np.int32)
    return Scene(images=images, boxes=boxes, labels=labels)


def random_boxes(
    rng: np.random.Generator, shape: tuple[int, ...], *, height: int, width: int, smallest: float, largest: float
) -> NDArray[np.float32]:
    """Returns boxes (*shape, 4) float32 inside the image, with sides distributed evenly over the orders of magnitude.

    height, width: of the image, pixels.
    smallest, largest: limits of the sides, pixels.
    """
    side = np.exp(rng.uniform(np.log(smallest), np.log(largest), (*shape, 2)))
    side = np.minimum(side, (width, height))
    low = rng.uniform(0, 1, (*shape, 2)) * ((width, height) - side)
    return np.concatenate([low, low + side], -1).astype(np.float32)


def disc(side: int) -> NDArray[np.uint8]:
    """Returns the mask (side, side) of an object in the frame of its box."""
    cell = (np.arange(side) + 0.5) / side * 2 - 1
    return (cell[:, None] ** 2 + cell[None] ** 2 <= 1).astype(np.uint8)


def bitmaps(boxes: NDArray[np.float32], *, height: int, width: int) -> NDArray[np.uint8]:
    """Returns the same objects' masks (N, height, width) in the image."""
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    found = np.zeros((len(boxes), height, width), np.uint8)
    for bitmap, (left, top, right, bottom) in zip(found, boxes, strict=True):
        across = (2 * (x - left) / (right - left) - 1) ** 2
        down = (2 * (y - top) / (bottom - top) - 1) ** 2
        bitmap[down[:, None] + across[None] <= 1] = 1
    return found
