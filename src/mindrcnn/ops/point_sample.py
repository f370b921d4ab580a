"""Bilinear samples of maps at arbitrary points (PointRend, https://arxiv.org/abs/1912.08193).

The reading of grid_sample without align_corners (detectron2 point_features.py): cell j of a map covers j..j+1 and has
its value at the centre, j + 0.5; outside the map there are zeros. Written with gathers: grid_sample takes longer on a
CPU (benchmarks/point_sample.py) and cannot be exported everywhere.

Letters in shapes: N maps or boxes, P points of each, C channels. A point is (x, y).
"""

import mindspore as ms
from mindspore import Tensor, ops


def cell_table(maps: Tensor) -> Tensor:
    """maps [N, C, H, W] as rows of cells [N * H * W, C], what `sample_cells` reads."""
    return maps.transpose(0, 2, 3, 1).reshape((-1, maps.shape[1]))


def sample_cells(table: Tensor, map_index: Tensor, height: int, width: int, points: Tensor) -> Tensor:
    """Samples of maps of height x width cells that lie one after another, row first, in table [cells, C].

    map_index [N] int32: the map that the points of row n are in; points [N, P, 2] in cells.

    Returns [N, P, C] float32. The gradient flows to the table alone.
    """
    count, per_row = points.shape[:2]
    points = ops.stop_gradient(points) - 0.5
    x, y = points[..., 0], points[..., 1]
    left, top = ops.floor(x), ops.floor(y)
    x_weight, y_weight = x - left, y - top
    first_cell = ops.tile((map_index.astype(ms.int32) * (height * width)).expand_dims(1), (1, per_row))
    cells, weights = [], []
    for row, row_weight in ((top, 1 - y_weight), (top + 1, y_weight)):
        row_inside = ops.logical_and(row >= 0, row <= height - 1)
        row_start = first_cell + ops.clamp(row, 0, height - 1).astype(ms.int32) * width
        for column, column_weight in ((left, 1 - x_weight), (left + 1, x_weight)):
            inside = ops.logical_and(row_inside, ops.logical_and(column >= 0, column <= width - 1))
            weights.append((row_weight * column_weight * inside.astype(ms.float32)).reshape((1, -1, 1)))
            cells.append((row_start + ops.clamp(column, 0, width - 1).astype(ms.int32)).reshape(-1))
    # One gather: each of several would leave a gradient of the table's whole size.
    values = ops.gather(table, ops.concat(cells), 0).astype(ms.float32).reshape((4, count * per_row, table.shape[1]))
    return (values * ops.stop_gradient(ops.concat(weights))).sum(0).reshape((count, per_row, table.shape[1]))


def point_sample(maps: Tensor, points: Tensor) -> Tensor:
    """Samples [N, P, C] of maps [N, C, H, W] at points [N, P, 2] given in shares (0..1) of a map's width and height."""
    count, _, height, width = maps.shape
    index = ops.arange(count).astype(ms.int32)
    return sample_cells(cell_table(maps), index, height, width, points * Tensor((width, height), ms.float32))


def points_in_image(boxes: Tensor, points: Tensor) -> Tensor:
    """Points [N, P, 2], shares of boxes [N, 4] (xyxy pixels), in pixels."""
    low, high = boxes[:, :2].expand_dims(1), boxes[:, 2:].expand_dims(1)
    return low + (high - low) * points


def points_in_boxes(boxes: Tensor, points: Tensor) -> Tensor:
    """Pixels [N, P, 2] in shares of boxes [N, 4]; along an axis on which a box is empty -1, which is outside."""
    low, high = boxes[:, :2].expand_dims(1), boxes[:, 2:].expand_dims(1)
    empty = (high <= low).astype(ms.float32)
    return (points - low) / (high - low + empty) * (1 - empty) - empty
