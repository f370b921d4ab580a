"""Pasting of mask probabilities from the frame of their box into the image, as COCO run lengths.

A pixel's value is the mask interpolated bilinearly at the pixel's centre (+0.5), with mask cells of size box / M and
zeros outside the mask, compared by >= (detectron2 layers/mask_ops.py, align_corners False). Only the window of pixels
that can reach the threshold is computed. The C++ version in native/ sums in another order, so the two may disagree
about a pixel whose value is within rounding of the threshold.

Boxes are xyxy in pixels of the image; M is the mask side; windows are transposed, (columns, rows), in RLE's order.
"""

from __future__ import annotations

import math
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mindrcnn.native.library import available
from mindrcnn.native.paste import native_encode_masks


def mask_span(low: float, high: float, side: int, thresh: float, limit: int) -> tuple[int, int]:
    """Returns the first and one past the last pixel on one axis that a mask can set.

    low, high: the box on this axis.
    side: mask cells on this axis.
    thresh: outside the box the interpolated value falls from half the border cell's value to 0 over half a cell, so a
        threshold below one half reaches slightly beyond the box.
    limit: pixels of the image on this axis.
    """
    margin = max(0.0, 0.5 - thresh) * (high - low) / side
    first = math.floor(low - margin - 0.5)
    last = math.ceil(high + margin + 0.5)
    return min(max(first, 0), limit), min(max(last, 0), limit)


def axis_weights(first: int, last: int, low: float, high: float, side: int) -> NDArray[np.float32]:
    """Computes (last - first, side) bilinear weights of the mask cells on one axis.

    first, last: the first and one past the last pixel.
    low, high: the box on this axis.
    side: mask cells on this axis.
    """
    cell = (np.arange(first, last) + 0.5 - low) / (high - low) * side - 0.5
    return np.maximum(0.0, 1.0 - np.abs(cell[:, None] - np.arange(side))).astype(np.float32)


def paste_window(
    mask: NDArray[np.float32], box: NDArray[np.float32], *, height: int, width: int, thresh: float
) -> tuple[NDArray[np.bool_], int, int]:
    """Converts the mask of one box to pixels: a (columns, rows) bool window, its left column and its top row.

    The window is empty for a box that is empty, not finite or entirely outside the image.

    mask: (M, M) probabilities.
    box: (4,) xyxy.
    height, width: size of the image.
    thresh: least probability of a pixel of the object, in (0, 1].
    """
    x_low, y_low, x_high, y_high = (float(value) for value in box)
    side = mask.shape[-1]
    if not (np.isfinite(box).all() and x_low < x_high and y_low < y_high):
        return np.zeros((0, 0), dtype=bool), 0, 0
    left, right = mask_span(x_low, x_high, side, thresh, width)
    top, bottom = mask_span(y_low, y_high, side, thresh, height)
    x_weights = axis_weights(left, right, x_low, x_high, side)
    y_weights = axis_weights(top, bottom, y_low, y_high, side)
    # Bilinear interpolation is separable, and dense products are faster than gathering the two neighbours.
    return x_weights @ (mask.T @ y_weights.T) >= thresh, left, top


def encode_masks(
    masks: NDArray[np.float32], boxes: NDArray[np.float32], *, height: int, width: int, thresh: float = 0.5
) -> list[Rle]:
    """Pastes masks into an image and returns the COCO RLE of each.

    masks: (D, M, M) probabilities.
    boxes: (D, 4) xyxy.
    height, width: size of the image.
    thresh: least probability of a pixel of the object, in (0, 1].
    """
    if available():
        texts = native_encode_masks(masks, boxes, height=height, width=width, thresh=thresh)
        return [Rle(size=[height, width], counts=text) for text in texts]
    counts = []
    for mask, box in zip(masks, boxes, strict=True):
        window, left, top = paste_window(mask, box, height=height, width=width, thresh=thresh)
        counts.append(window_counts(window, left=left, top=top, height=height, width=width))
    return compress(counts, height=height, width=width)


class Rle(TypedDict):
    """COCO's compressed run-length encoding; size is [height, width]."""

    size: list[int]
    counts: str


def window_counts(window: NDArray[np.bool_], *, left: int, top: int, height: int, width: int) -> NDArray[np.int64]:
    """Computes the run lengths over the full image, zeros first.

    window: (w, h) bool, transposed (the image's columns first), entirely inside the image.
    left, top: position of the window's corner in the image.
    height, width: size of the image.
    """
    columns, rows = window.shape
    framed = np.zeros((columns, rows + 2), dtype=bool)  # zeros around each column end every run there
    framed[:, 1:-1] = window
    flat = framed.ravel()
    column, row = np.divmod(np.flatnonzero(flat[1:] != flat[:-1]) + 1, rows + 2)
    position = (column + left) * height + (row - 1 + top)
    starts, ends = position[0::2], position[1::2]
    # In a window as high as the image, runs that touch across a column border are one run.
    apart = starts[1:] != ends[:-1]
    edges = np.empty(2 * (1 + np.count_nonzero(apart)) if len(starts) else 0, dtype=np.int64)
    if len(starts):
        edges[0::2] = starts[np.concatenate(([True], apart))]
        edges[1::2] = ends[np.concatenate((apart, [True]))]
    pixels = height * width
    tail = [] if len(edges) and edges[-1] == pixels else [pixels]
    return np.diff(np.concatenate(([0], edges, tail))).astype(np.int64)


def compress(counts: list[NDArray[np.int64]], *, height: int, width: int) -> list[Rle]:
    """Compresses the run lengths of several masks of one image to COCO's strings."""
    if not counts:
        return []
    raw = [{"size": [height, width], "counts": count.tolist()} for count in counts]
    packed = mask_api.frPyObjects(raw, height, width)
    return [Rle(size=[height, width], counts=item["counts"].decode("ascii")) for item in packed]


def encode_bitmap(bitmap: NDArray[np.bool_]) -> Rle:
    """Encodes a bool image (H, W) as RLE."""
    height, width = bitmap.shape
    return compress([window_counts(bitmap.T, left=0, top=0, height=height, width=width)], height=height, width=width)[0]


def decode(rle: Rle) -> NDArray[np.bool_]:
    """Decodes an RLE to a bool image (H, W)."""
    return mask_api.decode({"size": rle["size"], "counts": rle["counts"].encode("ascii")}).astype(bool)


def mask_area(rle: Rle) -> int:
    """Returns the number of pixels of an RLE."""
    return int(mask_api.area({"size": rle["size"], "counts": rle["counts"].encode("ascii")}))
