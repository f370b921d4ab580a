"""Anchor boxes of the region proposal network, computed on the host with numpy.

Convention of detectron2 and torchvision: anchors are centred on multiples of the stride, starting at (0, 0), with no
"+1".
"""

import numpy as np


def cell_anchors(size: float, ratios: tuple[float, ...], rounded: bool) -> np.ndarray:
    """Returns anchors (A, 4) float32 around (0, 0), one per ratio (height / width), each with area size squared.

    `rounded` rounds the corners to whole pixels, halves to even, as torchvision does.
    """
    height_factor = np.sqrt(np.asarray(ratios, np.float64))
    half_height = size * height_factor / 2
    half_width = size / height_factor / 2
    anchors = np.stack((-half_width, -half_height, half_width, half_height), axis=1)
    return (np.round(anchors) if rounded else anchors).astype(np.float32)


def grid_anchors(
    feature_sizes: tuple[tuple[int, int], ...],
    strides: tuple[int, ...],
    sizes: tuple[float, ...],
    ratios: tuple[float, ...],
    rounded: bool,
) -> np.ndarray:
    """Returns the anchors of all levels, (sum(h * w * A), 4) float32 in input pixels.

    Order: level, row, column, with the ratio innermost.

    feature_sizes: (h, w) of each level.
    strides: stride of each level, input pixels.
    sizes: anchor size of each level, input pixels.
    ratios: height / width of the anchors at each cell.
    rounded: round the corners of the anchors to whole pixels.
    """
    levels = [
        _level_anchors(feature_size, stride, cell_anchors(size, ratios, rounded))
        for feature_size, stride, size in zip(feature_sizes, strides, sizes, strict=True)
    ]
    return np.concatenate(levels)


def _level_anchors(feature_size: tuple[int, int], stride: int, cell: np.ndarray) -> np.ndarray:
    height, width = feature_size
    y, x = np.meshgrid(np.arange(height) * stride, np.arange(width) * stride, indexing="ij")
    shifts = np.stack((x, y, x, y), axis=-1).astype(np.float32)
    return (shifts[:, :, None, :] + cell).reshape(-1, 4)
