"""Geometric transformations: crop, expand and flip."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.transforms.affine import Doubles, Floats
from mindrcnn.data.transforms.target import Target

MIN_VISIBLE_SIDE = 1.0  # pixels; what is left of an object below this cannot be seen


def crop(image: RGBImage, target: Target, rng: np.random.Generator, *, min_scale: float) -> tuple[RGBImage, Target]:
    """A window of at least `min_scale` of each side, laid so that it holds the centre of an object chosen at random.

    Objects are cut at the window; their boxes shrink to what is visible of their mask, or of their box where they have
    none; objects of which nothing is left are dropped. An image is returned unchanged where no object would be left
    (the centre of a ring is no part of it). An image without objects is cropped anywhere.
    """
    height, width = image.shape[:2]
    window_height = max(round(height * rng.uniform(min_scale, 1.0)), 1)
    window_width = max(round(width * rng.uniform(min_scale, 1.0)), 1)
    ordinary = np.flatnonzero(~target.crowd)
    if len(ordinary):
        x1, y1, x2, y2 = target.boxes[rng.choice(ordinary)].tolist()
        left = _start(rng, (x1 + x2) / 2, window_width, width)
        top = _start(rng, (y1 + y2) / 2, window_height, height)
    else:
        left = int(rng.integers(width - window_width + 1))
        top = int(rng.integers(height - window_height + 1))
    window = np.array([left, top, left + window_width, top + window_height], dtype=np.float64)
    cut = cut_objects(target, window)
    if len(ordinary) and cut.crowd.all():
        return image, target
    return image[top : top + window_height, left : left + window_width], cut


def cut_objects(target: Target, window: Doubles) -> Target:
    """The objects as an xyxy `window` of whole pixels shows them, in the window's pixels."""
    left, top = window[:2]
    boxes = _visible_boxes(target, window)
    visible = (boxes[:, 2:] - boxes[:, :2] >= MIN_VISIBLE_SIDE).all(axis=1)
    moved = target.moved(boxes - np.array([left, top, left, top]), target.affine.shifted(-left, -top))
    return moved.chosen(np.flatnonzero(visible))


def _visible_boxes(target: Target, window: Doubles) -> Doubles:
    boxes = _intersected(target.boxes, window)
    for index, segmentation in enumerate(target.segmentations):
        is_cut = (boxes[index] != target.boxes[index]).any()
        if segmentation is None or target.crowd[index] or not is_cut or _is_empty(boxes[index]):
            continue
        extent = segmentation.extent(target.affine.to_file(boxes[index]))
        boxes[index] = 0.0 if extent is None else target.affine.from_file(extent)
    return boxes


def _intersected(boxes: Floats, window: Doubles) -> Doubles:
    left, top, right, bottom = window
    return np.clip(boxes.astype(np.float64), (left, top, left, top), (right, bottom, right, bottom))


def _is_empty(box: Doubles) -> bool:
    x1, y1, x2, y2 = box
    return bool(x2 <= x1 or y2 <= y1)


def _start(rng: np.random.Generator, centre: float, window: int, whole: int) -> int:
    """A start of the window, uniform among those at which it holds `centre`."""
    low = max(int(np.ceil(centre)) - window, 0)
    high = min(int(np.floor(centre)), whole - window)
    return int(rng.integers(low, max(high, low) + 1))


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
    return canvas, target.moved(boxes, target.affine.shifted(left, top))


def flip(image: RGBImage, target: Target) -> tuple[RGBImage, Target]:
    """The mirrored image and objects. Twice is the identity."""
    width = image.shape[1]
    x1, y1, x2, y2 = target.boxes.astype(np.float64).T
    boxes = np.stack([width - x2, y1, width - x1, y2], axis=1)
    return np.asarray(cv2.flip(image, 1), dtype=np.uint8), target.moved(boxes, target.affine.mirrored(width))
