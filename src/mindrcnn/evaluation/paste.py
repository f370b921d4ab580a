"""Pasting box-frame mask probabilities into the image.

The value of an image pixel is the mask read bilinearly at the pixel's centre (+0.5), with mask cells of size box / M
and zeros outside the mask, compared with >= (detectron2 layers/mask_ops.py, align_corners False). Only the window of
pixels that can reach the threshold is computed. The C++ form in native/ adds up in another order: where a value lies
within rounding of the threshold, the two may disagree about the pixel.

Boxes are xyxy in pixels of the image; M is the mask side; windows are transposed, (columns, rows), as RLE reads them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mindrcnn.evaluation.rle import Rle, compress, window_counts
from mindrcnn.native.library import available
from mindrcnn.native.paste import native_encode_masks


def mask_span(low: float, high: float, side: int, thresh: float, limit: int) -> tuple[int, int]:
    """First and one-past-last pixel, within 0..limit, that a mask spanning low..high on one axis can switch on.

    Outside the box the interpolated value falls from half the border cell's to 0 over half a cell, so thresholds below
    one half reach a little beyond the box.
    """
    margin = max(0.0, 0.5 - thresh) * (high - low) / side
    first = math.floor(low - margin - 0.5)
    last = math.ceil(high + margin + 0.5)
    return min(max(first, 0), limit), min(max(last, 0), limit)


def axis_weights(first: int, last: int, low: float, high: float, side: int) -> NDArray[np.float32]:
    """(last - first, side) bilinear weights of the mask cells for pixels first..last-1 of one axis."""
    cell = (np.arange(first, last) + 0.5 - low) / (high - low) * side - 0.5
    return np.maximum(0.0, 1.0 - np.abs(cell[:, None] - np.arange(side))).astype(np.float32)


def paste_window(
    mask: NDArray[np.float32], box: NDArray[np.float32], *, height: int, width: int, thresh: float
) -> tuple[NDArray[np.bool_], int, int]:
    """The mask (M, M) of one box as pixels: (columns, rows) bool window, its left column and top row in the image.

    thresh lies in (0, 1]. The window is empty for a box that is empty, not finite or wholly outside the image.
    """
    x_low, y_low, x_high, y_high = (float(value) for value in box)
    side = mask.shape[-1]
    if not (np.isfinite(box).all() and x_low < x_high and y_low < y_high):
        return np.zeros((0, 0), dtype=bool), 0, 0
    left, right = mask_span(x_low, x_high, side, thresh, width)
    top, bottom = mask_span(y_low, y_high, side, thresh, height)
    x_weights = axis_weights(left, right, x_low, x_high, side)
    y_weights = axis_weights(top, bottom, y_low, y_high, side)
    # Bilinear reading is separable; the dense products take less time than gathering the two neighbours.
    return x_weights @ (mask.T @ y_weights.T) >= thresh, left, top


def encode_masks(
    masks: NDArray[np.float32], boxes: NDArray[np.float32], *, height: int, width: int, thresh: float = 0.5
) -> list[Rle]:
    """COCO RLE of each object: masks (D, M, M) pasted at boxes (D, 4) into a height x width image."""
    if available():
        texts = native_encode_masks(masks, boxes, height=height, width=width, thresh=thresh)
        return [Rle(size=[height, width], counts=text) for text in texts]
    counts = []
    for mask, box in zip(masks, boxes, strict=True):
        window, left, top = paste_window(mask, box, height=height, width=width, thresh=thresh)
        counts.append(window_counts(window, left=left, top=top, height=height, width=width))
    return compress(counts, height=height, width=width)
