"""Bilinear samples of maps at arbitrary points (PointRend, https://arxiv.org/abs/1912.08193).

Same coordinates as grid_sample without align_corners (detectron2 point_features.py): cell j of a map covers j..j+1 and
holds the value at its centre, j + 0.5; values outside the map are zero. Written with gathers: grid_sample is slower on
a CPU (benchmarks/point_sample.py) and cannot be exported everywhere.

Letters in shapes: M maps, N rows of points or boxes, P points of each, C channels. A point is (x, y).
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.point_sample import native_sample_maps
from mindrcnn.native.switch import in_use
from mindrcnn.ops.arange import arange
from mindrcnn.ops.gather import cell_table

_OUTSIDE = -1.0  # more than half a cell before the first cell


def sample_maps(maps: Tensor, map_index: Tensor, points: Tensor) -> Tensor:
    """Returns bilinear samples (N, P, C) float32; the gradient flows to the maps only.

    maps: (M, C, H, W) float32 or uint8.
    map_index: (N,) int32, the map that the points of row n lie in.
    points: (N, P, 2) float32 in cells; a point that is not finite counts as outside.
    """
    if in_use():
        return native_sample_maps(maps, map_index, points)
    channels, height, width = maps.shape[1:]
    count, per_row = points.shape[:2]
    points = ops.where(ops.isfinite(points), points, _OUTSIDE)
    points = ops.stop_gradient(points) - 0.5
    x, y = points[..., 0], points[..., 1]
    left, top = ops.floor(x), ops.floor(y)
    x_weight, y_weight = x - left, y - top
    first_cell = ops.tile((map_index.astype(ms.int32) * (height * width)).expand_dims(1), (1, per_row))
    cells, weights = [], []
    for row, row_weight in ((top, 1 - y_weight), (top + 1, y_weight)):
        row_inside = ops.logical_and(row >= 0, row <= height - 1)
        row_start = first_cell + _within(row, height) * width
        for column, column_weight in ((left, 1 - x_weight), (left + 1, x_weight)):
            inside = ops.logical_and(row_inside, ops.logical_and(column >= 0, column <= width - 1))
            weights.append((row_weight * column_weight * inside.astype(ms.float32)).reshape(-1))
            cells.append((row_start + _within(column, width)).reshape(-1))
    # One gather, because each of several would produce a gradient of the whole table's size; and a product of matrices,
    # because a broadcasting one keeps 16 bytes for each value on a CPU.
    values = ops.gather(cell_table(maps), ops.stack(cells, axis=1).reshape(-1), 0).astype(ms.float32)
    weight = ops.stop_gradient(ops.stack(weights, axis=1)).expand_dims(1)
    return ops.bmm(weight, values.reshape((count * per_row, 4, channels))).reshape((count, per_row, channels))


def _within(cell: Tensor, length: int) -> Tensor:
    """Returns the nearest cell of an axis, int32, to whole numbers of float32."""
    return ops.minimum(ops.relu(cell), float(length - 1)).astype(ms.int32)


def point_sample(maps: Tensor, points: Tensor) -> Tensor:
    """Returns samples (N, P, C) of maps (N, C, H, W) at points (N, P, 2), fractions (0..1) of a map's sides."""
    count, _, height, width = maps.shape
    index = arange(count)
    return sample_maps(maps, index, points * Tensor((width, height), ms.float32))


def points_in_image(boxes: Tensor, points: Tensor) -> Tensor:
    """Converts points (N, P, 2) from fractions of boxes (N, 4) (xyxy pixels) to pixels."""
    low, high = boxes[:, :2].expand_dims(1), boxes[:, 2:].expand_dims(1)
    return low + (high - low) * points


def points_in_boxes(boxes: Tensor, points: Tensor) -> Tensor:
    """Converts points (N, P, 2) from pixels to fractions of boxes (N, 4); -1, outside, where a box has no extent."""
    low, high = boxes[:, :2].expand_dims(1), boxes[:, 2:].expand_dims(1)
    empty = (high <= low).astype(ms.float32)
    return (points - low) / (high - low + empty) * (1 - empty) - empty
