"""Boundaries of masks: the pixels of a mask that are near its border, or near the border of the image.

The masks of an image are read together, and each is drawn within its box alone, because most masks of most data are
small. The boundaries are those of faster-coco-eval, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mindrcnn.data.masks import run_lengths
from mindrcnn.data.run_length_text import decode, parts

RATIO = float(np.float32(0.02))  # width of a boundary by the image's diagonal; faster-coco-eval has a float here

Longs = NDArray[np.int64]


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


def find_boundaries(rles: Sequence[Mapping[str, Any]]) -> list[Boundary]:
    """Returns the boundaries of masks of one image, given as compressed RLEs with counts in bytes."""
    if not rles:
        return []
    height, width = rles[0]["size"]
    texts = [rle["counts"] for rle in rles]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    side = 2 * max(round(RATIO * float(np.hypot(height, width))), 1) + 1
    return [
        _boundary(left, top, bitmap, side)
        for part in parts(lengths)
        for left, top, bitmap in _draw(*_read(texts[part], lengths[part], height, width), height)
    ]


def _read(texts: Sequence[bytes], lengths: Longs, height: int, width: int) -> tuple[Longs, Longs]:
    """Returns the run lengths of all masks, and where those of each begin."""
    if (decoded := decode(b"".join(texts), lengths)) is not None:
        return decoded
    runs = [run_lengths(height, width, text).runs.astype(np.int64) for text in texts]
    counts = [len(one) for one in runs]
    return np.concatenate(runs), np.cumsum(counts) - counts


def _draw(runs: Longs, first: Longs, height: int) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Yields the box of each mask: left, top and its pixels (width, height).

    runs: the run lengths of all masks.
    first: where those of each begin.
    height: of the image.
    """
    ends = np.cumsum(runs)
    mask = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(runs))))
    of_ones = ((np.arange(len(runs)) - first[mask]) % 2 == 1) & (runs > 0)
    mask = mask[of_ones]
    ends = ends[of_ones] - (ends[first] - runs[first])[mask]
    starts = ends - runs[of_ones]
    left, top, right, bottom = _boxes(mask, starts, ends, height, len(first))
    high = bottom - top
    places = (starts // height - left[mask]) * high[mask] + starts % height - top[mask]
    edges = np.searchsorted(mask, np.arange(len(first) + 1))
    sizes = (right - left) * high + 1
    for part in parts(sizes):
        within = slice(edges[part.start], edges[part.stop])
        corners = np.cumsum(sizes[part]) - sizes[part]
        from_ = places[within] + corners[mask[within] - part.start]
        changes = np.zeros(int(sizes[part].sum()), np.uint8)
        changes[from_] = 1
        changes[from_ + ends[within] - starts[within]] -= 1  # 255 stands for -1; 0 where another run begins
        pixels = np.cumsum(changes, dtype=np.uint8)
        boxes = zip(left[part].tolist(), top[part].tolist(), right[part].tolist(), high[part].tolist(), strict=True)
        for corner, (x, y, end, rows) in zip(corners.tolist(), boxes, strict=True):
            yield x, y, pixels[corner : corner + (end - x) * rows].reshape(end - x, rows)


def _boxes(mask: Longs, starts: Longs, ends: Longs, height: int, count: int) -> tuple[Longs, Longs, Longs, Longs]:
    """Returns left, top, right and bottom (count,) of the boxes of masks; zeros for one without pixels.

    mask: the mask of each run of ones.
    starts, ends: the first pixel of each, and the first one after it.
    height: of the image.
    count: number of masks.
    """
    boxes = np.zeros((4, count), np.int64)
    if len(mask):
        columns, last_columns = starts // height, (ends - 1) // height
        is_long = columns != last_columns  # so that it covers the last row of one column, and the first of the next
        begins = np.flatnonzero(np.diff(mask, prepend=-1))
        boxes[:, mask[begins]] = (
            columns[begins],
            np.minimum.reduceat(np.where(is_long, 0, starts % height), begins),
            last_columns[np.append(begins[1:], len(mask)) - 1] + 1,
            np.maximum.reduceat(np.where(is_long, height, (ends - 1) % height + 1), begins),
        )
    left, top, right, bottom = boxes
    return left, top, right, bottom


def _boundary(left: int, top: int, bitmap: NDArray[np.uint8], side: int) -> Boundary:
    """Returns the pixels of a mask around which a square of `side` pixels holds others too."""
    if min(bitmap.shape) >= side:
        # A border of zeros stands for what is outside the box.
        inner = cv2.erode(bitmap, np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        bitmap ^= inner
    return Boundary(left, top, bitmap, _count(bitmap))


def _count(bitmap: NDArray[np.uint8]) -> int:
    return int(np.count_nonzero(bitmap.view(np.bool_)))  # NumPy counts bools many times as fast


def boundary_iou(first: Boundary, second: Boundary, *, crowd: bool) -> float:
    """Returns the IoU of two boundaries; with a crowd as the second, the part of the first that is inside it."""
    left, top = max(first.left, second.left), max(first.top, second.top)
    right = min(first.left + first.pixels.shape[0], second.left + second.pixels.shape[0])
    bottom = min(first.top + first.pixels.shape[1], second.top + second.pixels.shape[1])
    if right <= left or bottom <= top:
        return 0.0
    one = first.pixels[left - first.left : right - first.left, top - first.top : bottom - first.top]
    other = second.pixels[left - second.left : right - second.left, top - second.top : bottom - second.top]
    common = _count(one & other)
    return common / (first.area if crowd else first.area + second.area - common) if common else 0.0
