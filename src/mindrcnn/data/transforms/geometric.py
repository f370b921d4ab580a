"""Geometric transformations: crop, expand and flip."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.transforms.affine import Doubles, Floats
from mindrcnn.data.transforms.target import Target

MIN_VISIBLE_SIDE = 1.0  # pixels; an object with a smaller side left cannot be seen


def crop(
    image: RGBImage, target: Target, rng: np.random.Generator, *, min_scale: float, size: Sequence[int] = ()
) -> tuple[RGBImage, Target]:
    """Crops a window that contains the centre of a randomly chosen object.

    The window has `size` (h, w), or the image's own side where that is smaller; without a size, at least `min_scale` of
    each side.

    Objects are cut at the window: their boxes shrink to the visible part of the mask, or of the box if there is no
    mask, and objects with nothing left are dropped. The image is returned unchanged if no object would be left (a
    ring's centre is not part of the ring). An image without objects is cropped anywhere.
    """
    height, width = image.shape[:2]
    if size:
        window_height, window_width = (min(wanted, side) for wanted, side in zip(size, (height, width), strict=True))
    else:
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
    visible = cut_objects(target, window)
    if len(ordinary) and visible.crowd.all():
        return image, target
    return image[top : top + window_height, left : left + window_width], visible


def cut_objects(target: Target, window: Doubles, *, min_side: float = MIN_VISIBLE_SIDE) -> Target:
    """Cuts the objects at an xyxy `window` of whole pixels; the result is in the window's pixels.

    Objects with a side shorter than `min_side` left are dropped.
    """
    left, top, _, _ = window
    boxes = _visible_boxes(target, window)
    visible = (boxes[:, 2:] - boxes[:, :2] >= min_side).all(axis=1)
    in_window = target.move_to(boxes - np.array([left, top, left, top]), target.affine.shift(-left, -top))
    return in_window.select(np.flatnonzero(visible))


def _visible_boxes(target: Target, window: Doubles) -> Doubles:
    boxes = _intersect(target.boxes, window)
    for index, segmentation in enumerate(target.segmentations):
        is_cut = (boxes[index] != target.boxes[index]).any()
        if segmentation is None or target.crowd[index] or not is_cut or _is_empty(boxes[index]):
            continue
        extent = segmentation.extent(target.affine.to_file(boxes[index]))
        # There and back is rounded: without the second cut a side may lie outside the window by the last digit.
        boxes[index] = 0.0 if extent is None else _intersect(target.affine.from_file(extent), boxes[index])
    return boxes


def _intersect(boxes: Floats | Doubles, window: Doubles) -> Doubles:
    left, top, right, bottom = window
    return np.clip(boxes.astype(np.float64), (left, top, left, top), (right, bottom, right, bottom))


def _is_empty(box: Doubles) -> bool:
    x1, y1, x2, y2 = box
    return bool(x2 <= x1 or y2 <= y1)


def _start(rng: np.random.Generator, centre: float, window: int, whole: int) -> int:
    """Draws the start of a window, uniformly among those at which it contains `centre`."""
    low = max(int(np.ceil(centre)) - window, 0)
    high = min(int(np.floor(centre)), whole - window)
    return int(rng.integers(low, max(high, low) + 1))


def expand(
    image: RGBImage, target: Target, rng: np.random.Generator, *, max_ratio: float, fill: Sequence[float]
) -> tuple[RGBImage, Target]:
    """Places the image at random on a larger canvas.

    image: (H, W, 3) RGB uint8.
    target: its objects.
    rng: draws the size of the canvas and the position on it.
    max_ratio: largest canvas side over image side.
    fill: colour of the canvas, RGB, 0..255.
    """
    height, width = image.shape[:2]
    ratio = rng.uniform(1.0, max_ratio)
    canvas_height, canvas_width = round(height * ratio), round(width * ratio)
    top = int(rng.integers(canvas_height - height + 1))
    left = int(rng.integers(canvas_width - width + 1))
    canvas = np.empty((canvas_height, canvas_width, 3), dtype=np.uint8)
    canvas[:] = np.clip(np.asarray(fill) + 0.5, 0, 255).astype(np.uint8)
    canvas[top : top + height, left : left + width] = image
    boxes = target.boxes + np.array([left, top, left, top], dtype=np.float64)
    return canvas, target.move_to(boxes, target.affine.shift(left, top))


def flip(image: RGBImage, target: Target) -> tuple[RGBImage, Target]:
    """Mirrors image and objects left to right; applied twice, it is the identity."""
    width = image.shape[1]
    x1, y1, x2, y2 = target.boxes.astype(np.float64).T
    boxes = np.stack([width - x2, y1, width - x1, y2], axis=1)
    return np.asarray(cv2.flip(image, 1), dtype=np.uint8), target.move_to(boxes, target.affine.mirror(width))
