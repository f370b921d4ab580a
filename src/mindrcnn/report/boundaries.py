"""Boundaries of masks: the pixels of a mask that are near its border, or near the border of the image.

A mask is decoded in the columns that it covers, and its boundary kept within its box, because most masks of most data
are small. The boundaries are those of faster-coco-eval, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mindrcnn.data.masks import run_lengths

RATIO = float(np.float32(0.02))  # width of a boundary by the image's diagonal; faster-coco-eval has a float here


@dataclass(frozen=True, eq=False)
class Boundary:
    """A boundary within its mask's box.

    left, top: corner of the box.
    pixels: (width, height) uint8 0/1; columns come first, as in run lengths.
    area: pixels of the boundary.
    """

    left: int
    top: int
    pixels: NDArray[np.uint8]
    area: int


def find_boundary(rle: Mapping[str, Any]) -> Boundary:
    """Returns the boundary of a mask, given as a compressed RLE."""
    height, width = rle["size"]
    left, top, bitmap = _crop(run_lengths(height, width, rle["counts"]).runs.astype(np.int64), height)
    near = max(round(RATIO * float(np.hypot(height, width))), 1)
    side = 2 * near + 1
    if not bitmap.size:
        return Boundary(left, top, bitmap, 0)
    around = cv2.boxFilter(bitmap, cv2.CV_32S, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    pixels = bitmap & (around < side * side)  # a border of zeros stands for what is outside the box
    return Boundary(left, top, pixels, int(np.count_nonzero(pixels)))


def _crop(runs: NDArray[np.int64], height: int) -> tuple[int, int, NDArray[np.uint8]]:
    """Returns the box of a mask: left, top and its pixels (width, height)."""
    ends = np.cumsum(runs)
    ones = np.flatnonzero(runs[1::2]) * 2 + 1
    if not len(ones):
        return 0, 0, np.zeros((0, 0), np.uint8)
    first, last = int(ones[0]), int(ones[-1])
    left, right = int(ends[first - 1]) // height, -(-int(ends[last]) // height)
    within = np.diff(np.clip(ends[: last + 1], left * height, None), prepend=left * height)
    values = (np.arange(last + 1) & 1).astype(np.uint8)
    columns = np.zeros((right - left) * height, np.uint8)
    columns[: int(within.sum())] = np.repeat(values, within)
    bitmap = columns.reshape(right - left, height)
    rows = np.flatnonzero(bitmap.any(axis=0))
    return left, int(rows[0]), np.ascontiguousarray(bitmap[:, rows[0] : rows[-1] + 1])


def boundary_iou(first: Boundary, second: Boundary, *, crowd: bool) -> float:
    """Returns the IoU of two boundaries; with a crowd as the second, the part of the first that is inside it."""
    left, top = max(first.left, second.left), max(first.top, second.top)
    common = int(np.count_nonzero(_window(first, left, top, second) & _window(second, left, top, first)))
    return common / (first.area if crowd else first.area + second.area - common) if common else 0.0


def _window(one: Boundary, left: int, top: int, other: Boundary) -> NDArray[np.uint8]:
    """Returns the pixels of a boundary from (left, top) to where either box ends."""
    right = min(end.left + end.pixels.shape[0] for end in (one, other))
    bottom = min(end.top + end.pixels.shape[1] for end in (one, other))
    return one.pixels[left - one.left : max(right - one.left, 0), top - one.top : max(bottom - one.top, 0)]
