"""Shapes of annotation tools as the `bbox` and `segmentation` of COCO annotations.

Polygons stay polygons, and a mask of pixels becomes run lengths without a bitmap of the whole image for each object.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from mindrcnn.data.masks import encode_outlines
from mindrcnn.untrusted.numbers import is_number, is_whole

Shape = dict[str, Any]  # bbox and, unless only the box is known, segmentation
Ring = list[float]  # x, y, x, y, ...
Ints = npt.NDArray[np.int64]

ARC_ERROR = 0.1  # pixels between a circle and the polygon that stands for it
ARC_CORNERS = 12, 720  # fewest and most


def numbers(values: object, *, count: int | None = None) -> Ring:
    """Returns finite numbers as floats. Raises ValueError for anything else, and for another `count`."""
    if not isinstance(values, list | tuple) or not all(is_number(value) for value in values):
        raise ValueError("wanted finite numbers, got something else")
    if count is not None and len(values) != count:
        raise ValueError(f"wanted {count} numbers, got {len(values)}")
    return [float(value) for value in values]


def points(values: object, *, count: int | None = None) -> Ring:
    """Returns a list of [x, y] as one ring. Raises ValueError for anything else, and for another `count` of points."""
    if not isinstance(values, list | tuple) or (count is not None and len(values) != count):
        raise ValueError("wanted a list of points" if count is None else f"wanted {count} points [x, y]")
    return [number for point in values for number in numbers(point, count=2)]


def stated_size(height: object, width: object) -> tuple[int, int] | None:
    """Returns the (h, w) that a file states of an image; None unless both are whole numbers above 0."""
    if is_whole(height, 1) and is_whole(width, 1):
        return int(height), int(width)  # type: ignore[call-overload]
    return None


def polygons(parts: Sequence[Ring]) -> Shape:
    """Returns the union of polygons with the box around them. Raises ValueError without any corner."""
    horizontal = [number for part in parts for number in part[::2]]
    vertical = [number for part in parts for number in part[1::2]]
    if not vertical:
        raise ValueError("wanted a polygon of at least one corner, got none")
    left, top = min(horizontal), min(vertical)
    return {"bbox": [left, top, max(horizontal) - left, max(vertical) - top], "segmentation": list(parts)}


def box(x1: float, y1: float, x2: float, y2: float) -> Shape:
    """Returns a box without a mask, from two opposite corners."""
    return {"bbox": [min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)]}


def rectangle(x1: float, y1: float, x2: float, y2: float) -> Ring:
    """Returns the corners of a rectangle, from two opposite ones."""
    left, top, right, bottom = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
    return [left, top, right, top, right, bottom, left, bottom]


def ellipse(x: float, y: float, radius_x: float, radius_y: float, angle: float = 0.0) -> Ring:
    """Returns the corners of an ellipse, turned by `angle` in radians from x towards y."""
    radius = max(abs(radius_x), abs(radius_y))
    fewest, most = ARC_CORNERS
    step = 2 * math.acos(1 - ARC_ERROR / radius) if radius > ARC_ERROR else math.pi
    # The step to a radius of 1e300 is rounded to nothing.
    count = min(max(math.ceil(2 * math.pi / step), fewest), most) if step > 0 else most
    turns = np.arange(count) * (2 * math.pi / count)
    along, across = radius_x * np.cos(turns), radius_y * np.sin(turns)
    cosine, sine = math.cos(angle), math.sin(angle)
    corners = np.stack([x + along * cosine - across * sine, y + along * sine + across * cosine], axis=1)
    return [float(number) for number in corners.reshape(-1)]


def patch(pixels: npt.NDArray[np.bool_], *, left: int, top: int, size: tuple[int, int]) -> Shape | None:
    """Returns a mask (h, w) at a place of an image of `size` (h, w), cut to it; None if nothing of it is inside."""
    height, width = size
    cut = pixels[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)]
    if not cut.any():
        return None
    steps = np.diff(np.pad(cut.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = (
        (columns + max(left, 0)) * height + rows + max(top, 0)
        for columns, rows in (np.nonzero(steps == 1), np.nonzero(steps == -1))
    )
    apart = starts[1:] != ends[:-1]
    return run_mask(starts[np.append(True, apart)], ends[np.append(apart, True)], size)


def run_mask(starts: Ints, ends: Ints, size: tuple[int, int]) -> Shape:
    """Returns the mask of runs of pixels, counted down the columns of an image of `size` (h, w), in ascending order.

    starts: (n,) the first pixel of each run; n is at least 1.
    ends: (n,) the pixel after its last, which no run begins with.
    """
    height, width = size
    counts = np.diff(np.concatenate([[0], np.stack([starts, ends], axis=1).reshape(-1), [height * width]]))
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)
    last = ends - 1
    left, right = int(starts[0]) // height, int(last[-1]) // height
    across = (starts // height != last // height).any()  # from the bottom of a column to the top of the next
    top, bottom = (0, height - 1) if across else (int((starts % height).min()), int((last % height).max()))
    return {
        "bbox": [left, top, right + 1 - left, bottom + 1 - top],
        "segmentation": {"size": [height, width], "counts": rle["counts"].decode("ascii")},
    }


def label_masks(labels: npt.NDArray[np.integer[Any]], ignored: Iterable[int]) -> dict[int, Shape]:
    """Returns the mask of each value in a map (h, w) of objects, except for those that are ignored."""
    size = labels.shape[0], labels.shape[1]
    flat = labels.T.reshape(-1)
    bounds = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [len(flat)]])
    starts, ends, labelled = bounds[:-1], bounds[1:], flat[bounds[:-1]]
    order = np.argsort(labelled, kind="stable")
    values, places = np.unique(labelled[order], return_index=True)
    skipped = set(ignored)
    return {
        value: run_mask(starts[runs], ends[runs], size)
        for value, runs in zip(values.tolist(), np.split(order, places[1:]), strict=True)
        if value not in skipped
    }


def union(shapes: Sequence[Shape], size: tuple[int, int]) -> Shape:
    """Returns several shapes with masks as one: polygons stay polygons, others are joined as run lengths."""
    if len(shapes) == 1:
        return shapes[0]
    masks = [shape["segmentation"] for shape in shapes]
    if all(isinstance(mask, list) for mask in masks):
        return polygons([part for mask in masks for part in mask])
    height, width = size
    encoded = [_encoded(mask, height, width) for mask in masks]
    joined = coco_mask.merge([one for one in encoded if one is not None])
    return {
        "bbox": [float(number) for number in coco_mask.toBbox(joined)],
        "segmentation": {"size": [height, width], "counts": joined["counts"].decode("ascii")},
    }


def _encoded(mask: Any, height: int, width: int) -> dict[str, Any] | None:
    if isinstance(mask, Mapping):
        return {"size": [height, width], "counts": mask["counts"].encode("ascii")}
    return encode_outlines([np.reshape(np.asarray(part, np.float64), (-1, 2)) for part in mask], height, width)
