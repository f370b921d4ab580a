"""ROIAlign with as many sample points as a bin has feature cells: sampling_ratio 0 of detectron2 and mmdetection.

The number of points differs from box to box, so the fixed shapes here are those of cells, not of points: a box covers a
bounded number of cells of its level, the mean over a bin's points is a weighted sum of these cells, and a cell lies
near at most five points of a bin along an axis, however many points the bin has. It is exact, and slower than two
points per axis by about the ratio of cells to points.

Letters in shapes as in roi_align.py; T is the largest number of cells that a box may cover.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops.arange import arange
from mindrcnn.ops.gather import cell_table
from mindrcnn.ops.roi_levels import LEVEL_EDGES, boxes_on_levels

# Points are more than half a cell apart, and those that contribute to a cell lie less than one cell from it, or exactly
# one cell where the border value extends.
_POINTS_NEAR_A_CELL = 5
_LEAST_STEP = 1e-6  # cells between points; keeps the division finite on boxes without extent
_CHUNKS = 4  # gathered cells exist for a quarter of T at a time


def pool_adaptive(
    features: tuple[Tensor, ...],
    strides: tuple[int, ...],
    boxes: Tensor,
    valid: Tensor,
    *,
    resolution: int,
    aligned: bool,
) -> Tensor:
    """Computes roi_align() with ceil(bin side in cells) sample points per bin along each axis.

    Arguments and result as for roi_align(). Boxes lie inside the image.
    """
    images, slots = valid.shape
    count, channels = images * slots, features[0].shape[1]
    low, high, height, width, first_cell, valid = boxes_on_levels(features, strides, boxes, valid, aligned)
    x_start, x_count = _covered(low[:, :1], high[:, :1], width)
    y_start, y_count = _covered(low[:, 1:], high[:, 1:], height)

    table = ops.concat([cell_table(feature) for feature in features])
    chunk = -(-_most_cells(features, strides) // _CHUNKS)
    pooled = ops.zeros((count, resolution * resolution, channels), ms.float32)
    # Tiled, here and for the weights, because a broadcasting operator keeps 16 bytes for each value on a CPU.
    x_starts, x_counts, y_starts, y_counts, widths, first_cells, used = (
        ops.tile(column, (1, chunk)) for column in (x_start, x_count, y_start, y_count, width, first_cell, valid)
    )
    for number in range(_CHUNKS):
        place = ops.tile((arange(chunk) + number * chunk).astype(ms.float32).expand_dims(0), (count, 1))
        row = ops.floor((place + 0.5) / x_counts)
        x, y = x_starts + place - row * x_counts, y_starts + row
        covered = (row < y_counts).astype(ms.float32) * used
        x_weights = _cell_weights(x, low[:, :1], high[:, :1], width, resolution)
        y_weights = _cell_weights(y, low[:, 1:], high[:, 1:], height, resolution)
        y_weights = y_weights * ops.tile(covered.expand_dims(1), (1, resolution, 1))
        weights = ops.tile(y_weights.expand_dims(2), (1, 1, resolution, 1))
        weights = weights * ops.tile(x_weights.expand_dims(1), (1, resolution, 1, 1))
        weights = ops.stop_gradient(weights.reshape((count, resolution * resolution, chunk)))
        cells = first_cells + (covered * (y * widths + x)).astype(ms.int32)
        # A graph would gather all chunks at the same time if the next did not wait for this one's sum.
        values = ops.gather(table, ops.depend(cells.reshape(-1), pooled), 0).reshape((count, chunk, channels))
        pooled = pooled + ops.bmm(weights, values)
    return pooled.reshape((count, resolution, resolution, channels)).transpose(0, 3, 1, 2)


def _most_cells(features: tuple[Tensor, ...], strides: tuple[int, ...]) -> int:
    """Returns the number of cells that a box of its level's largest area may touch in the worst shape, on any level."""
    most = 0
    for index in range(len(features)):
        rows, columns = features[index].shape[2:]
        cells = rows * columns
        if index < len(LEVEL_EDGES):
            area = LEVEL_EDGES[index] / strides[index] ** 2
            longest = max(rows, columns) + 2.0
            # A box of w x h cells touches at most w + 3 by h + 3; for a fixed area that is largest for the longest box.
            cells = min(cells, int(area + 3 * (longest + area / longest) + 9))
        most = max(most, cells)
    return most


def _covered(low: Tensor, high: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the first cell and the number of cells, (N, 1) each, that points from low to high (N, 1) may touch."""
    zero = ops.zeros_like(length)
    first = ops.minimum(ops.maximum(ops.floor(low), zero), length - 1)
    last = ops.minimum(ops.maximum(ops.floor(high) + 1, zero), length - 1)
    return first, ops.relu(last - first) + 1


def _cell_weights(cell: Tensor, low: Tensor, high: Tensor, length: Tensor, resolution: int) -> Tensor:
    """Returns the weight (N, resolution, T) of each cell in the mean over each bin's points along one axis.

    cell: (N, T) float32, cell coordinates.
    low, high: (N, 1) float32, ends of the box in cells.
    length: (N, 1) float32, number of cells along the axis.
    resolution: bins along the axis.
    """
    count, cells = cell.shape
    shape = (count, resolution, cells)
    side = (high - low) / resolution
    points = ops.ceil(side)
    used = ops.relu(points - 1) + 1  # at least 1, so that a box without extent divides by it
    step = side / used
    bins = arange(resolution).astype(ms.float32).reshape((1, resolution))
    start = ops.tile((low + bins * side).expand_dims(2), (1, 1, cells))
    cell = ops.tile(cell.expand_dims(1), (1, resolution, 1))
    step = ops.tile(step.expand_dims(2), (1, resolution, cells))
    points = ops.tile(points.expand_dims(2), (1, resolution, cells))
    last = ops.tile((length - 1).expand_dims(2), (1, resolution, cells))
    # The first point less than one cell before this cell; with a step near 0 there is only one point.
    first = ops.relu(ops.ceil((cell - 1 - start) / (ops.relu(step - _LEAST_STEP) + _LEAST_STEP) - 0.5))
    weight = ops.zeros(shape, ms.float32)
    for near in range(_POINTS_NEAR_A_CELL):
        index = first + near
        point = start + (index + 0.5) * step
        inside = ops.logical_and(point >= -1, point <= last + 1)
        inside = ops.logical_and(inside, index < points)
        distance = ops.abs(ops.minimum(ops.relu(point), last) - cell)
        weight = weight + ops.relu(1 - distance) * inside.astype(ms.float32)
    return weight / ops.tile(used.expand_dims(2), (1, resolution, cells))
