"""COCO run-length encoding of masks given inside a window of the image.

COCO's RLE counts pixels column by column (Fortran order), starting with zeros. The runs of a window keep their lengths
in the full image and only the gaps between them change, so the image outside the window is never touched.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api


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
