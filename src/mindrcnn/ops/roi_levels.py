"""Choice of the pyramid level P2..P5 for each box, and the box's coordinates on that level.

Letters in shapes as in roi_align.py.
"""

from collections.abc import Sequence

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops.arange import arange
from mindrcnn.ops.boxes import area

# FPN (https://arxiv.org/abs/1612.03144, equation 1): boxes from 224 x 224 up, the ImageNet input size, are pooled from
# P4, and each level serves sides twice as long as the one before. Compared as areas, the edges are exact.
LEVEL_EDGES = (112.0**2, 224.0**2, 448.0**2)


def fpn_level(boxes: Tensor) -> Tensor:
    """Returns the level of boxes (..., 4) (input pixels) as an index (...) int32 into (P2, P3, P4, P5)."""
    box_area = area(boxes)
    level = ops.zeros_like(box_area).astype(ms.int32)
    for edge in LEVEL_EDGES:
        level = level + (box_area >= edge).astype(ms.int32)
    return level


def boxes_on_levels(
    features: tuple[Tensor, ...], strides: tuple[int, ...], boxes: Tensor, valid: Tensor, aligned: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Returns the position of boxes (B, S, 4) on the level that each is pooled from; invalid ones count as empty.

    Returns the corners low and high (N, 2) float32 in cells of that level; the level's height and width, (N, 1) float32
    each; first_cell (N, 1) int32, the row at which the box's image and level begin in the table of all cells of all
    levels and images; valid (N, 1) float32. No gradient.

    features: P2..P5, each (B, C, H_l, W_l) float32.
    strides: stride of each level, input pixels.
    boxes: (B, S, 4) float32, input pixels.
    valid: (B, S) bool.
    aligned: see roi_align.
    """
    slots = valid.shape[1]
    valid = valid.reshape((-1, 1)).astype(ms.float32)
    boxes = ops.stop_gradient(ops.where(valid > 0, boxes.reshape((-1, 4)), 0.0))
    height, width, stride, first_cell = _level_geometry(features, strides, fpn_level(boxes), slots)
    low, high = _feature_box(boxes, stride, aligned)
    return low, high, height, width, first_cell, valid


def _level_geometry(
    features: tuple[Tensor, ...], strides: tuple[int, ...], level: Tensor, slots: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the level's height, width and stride, (N, 1) float32, and first_cell (N, 1) int32 for each box.

    first_cell is the row where the image's cells of that level begin in the table of all cells of all levels and
    images.
    """
    images = features[0].shape[0]
    heights, widths, starts = [], [], []
    start = 0
    for feature in features:
        heights.append(feature.shape[2])
        widths.append(feature.shape[3])
        starts.append(start)
        start += images * feature.shape[2] * feature.shape[3]
    height = _value_of_level(heights, level).astype(ms.float32)
    width = _value_of_level(widths, level).astype(ms.float32)
    stride = _value_of_level(strides, level).astype(ms.float32)
    image = ops.tile(arange(images).expand_dims(1), (1, slots)).reshape((-1, 1))
    cells = (height * width).astype(ms.int32)
    return height, width, stride, _value_of_level(starts, level) + image * cells


def _value_of_level(values: Sequence[int], level: Tensor) -> Tensor:
    """Returns values[level] for each box, (N, 1) int32."""
    return ops.gather(Tensor(values, ms.int32), level, 0).expand_dims(1)


def _feature_box(boxes: Tensor, stride: Tensor, aligned: bool) -> tuple[Tensor, Tensor]:
    """Returns the corners, (N, 2) each, of boxes (N, 4) in coordinates where feature cell j has its centre at j."""
    low, high = boxes[:, :2] / stride, boxes[:, 2:] / stride
    if aligned:
        return low - 0.5, high - 0.5
    return low, low + 1 + ops.relu(high - low - 1)
