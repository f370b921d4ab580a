"""ROIAlign over the feature pyramid P2..P5.

Written with gathers and small matrix products, which on the CPU take a quarter of the time of ops.ROIAlign
(benchmarks/roi_align.py). That operator's backward pass also ignores roi_end_mode, and it leaves the output of all-zero
boxes unwritten.

Letters in shapes: B images, S boxes of an image, N = B * S, C channels, H_l and W_l feature sides of level l, P sample
points of a box along one axis (resolution * sampling_ratio).
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.roi_align import native_roi_align
from mindrcnn.native.switch import in_use
from mindrcnn.ops.arange import arange
from mindrcnn.ops.gather import cell_table
from mindrcnn.ops.roi_align_adaptive import pool_adaptive
from mindrcnn.ops.roi_levels import LEVEL_EDGES, boxes_on_levels

ADAPTIVE = 0  # sampling ratio that means ceil(bin side in cells), the default of detectron2 and mmdetection


def roi_align(
    features: tuple[Tensor, ...],
    strides: tuple[int, ...],
    boxes: Tensor,
    valid: Tensor,
    *,
    resolution: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Pools each box from the one pyramid level that fits its size (ROIAlign, https://arxiv.org/abs/1703.06870).

    Returns (B * S, C, resolution, resolution), zeros for invalid boxes. Each of the resolution x resolution bins is the
    mean of sampling_ratio x sampling_ratio bilinear samples. The gradient flows to the features only.

    features: P2..P5, each (B, C, H_l, W_l) float32.
    strides: stride of each level, input pixels.
    boxes: (B, S, 4) float32, input pixels; with ADAPTIVE they lie inside the image.
    valid: (B, S) bool.
    resolution: bins along each axis.
    sampling_ratio: samples per bin along each axis, or ADAPTIVE.
    aligned: correct the half pixel between box and pixel-centre coordinates (detectron2's ROIAlignV2); the legacy form
        without it also makes boxes at least one feature pixel wide and high (torchvision's and Detectron's default).
    """
    if in_use():
        return native_roi_align(
            features,
            strides,
            LEVEL_EDGES,
            boxes,
            valid,
            resolution=resolution,
            sampling_ratio=sampling_ratio,
            aligned=aligned,
        )
    if sampling_ratio == ADAPTIVE:
        return pool_adaptive(features, strides, boxes, valid, resolution=resolution, aligned=aligned)
    return _pool_fixed(
        features, strides, boxes, valid, resolution=resolution, sampling_ratio=sampling_ratio, aligned=aligned
    )


def _pool_fixed(
    features: tuple[Tensor, ...],
    strides: tuple[int, ...],
    boxes: Tensor,
    valid: Tensor,
    *,
    resolution: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Computes roi_align() for a fixed sampling_ratio of at least 1."""
    images, slots = valid.shape
    count, channels = images * slots, features[0].shape[1]
    points = resolution * sampling_ratio
    low, high, height, width, first_cell, valid = boxes_on_levels(features, strides, boxes, valid, aligned)
    x_first, x_second, x_weight, x_inside = _axis_points(low[:, 0], high[:, 0], width, points)
    y_first, y_second, y_weight, y_inside = _axis_points(low[:, 1], high[:, 1], height, points)

    table = ops.concat([cell_table(feature) for feature in features])
    columns = ops.concat((x_first, x_second), axis=1)
    row_cells = width.astype(ms.int32)
    bins = _bin_means(resolution, sampling_ratio)
    # Cells above the points first, then those below, so that only half of all gathered cells exist at a time.
    rows = _pool_rows(table, first_cell + y_first * row_cells, columns, (1 - y_weight) * y_inside, bins)
    rows = rows + _pool_rows(table, first_cell + y_second * row_cells, columns, y_weight * y_inside, bins)

    x_weights = ops.concat(((1 - x_weight) * x_inside, x_weight * x_inside), axis=1) * valid
    x_bins = x_weights.expand_dims(1) * ops.concat((bins, bins), axis=1)
    x_bins = ops.stop_gradient(ops.tile(x_bins.expand_dims(1), (1, resolution, 1, 1)))
    pooled = ops.bmm(
        x_bins.reshape((count * resolution, resolution, 2 * points)),
        rows.reshape((count * resolution, 2 * points, channels)),
    )
    return pooled.reshape((count, resolution, resolution, channels)).transpose(0, 3, 1, 2)


def _pool_rows(table: Tensor, row_starts: Tensor, columns: Tensor, weights: Tensor, bins: Tensor) -> Tensor:
    """Returns the weighted row means (N, resolution, 2P * C) of the table's cells at row_starts + columns.

    table: (cells, C) float32.
    row_starts: (N, P) int32, first cell of each row.
    columns: (N, 2P) int32, column offsets.
    weights: (N, P) float32, one per row.
    bins: (resolution, P) float32, averages the rows of each bin.
    """
    count, points = row_starts.shape
    cells = row_starts.expand_dims(2) + columns.expand_dims(1)
    values = ops.gather(table, cells.reshape(-1), 0).reshape((count, points, columns.shape[1] * table.shape[1]))
    # No gradient to the weights: it would cost as much as the one to the features.
    return ops.bmm(ops.stop_gradient(weights.expand_dims(1) * bins), values)


def _axis_points(low: Tensor, high: Tensor, length: Tensor, points: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the sample points of N boxes along one axis.

    Four tensors (N, points): the two neighbouring cells (int32), the weight of the second, and 1.0 for points less than
    a cell outside the feature, where the border value extends.

    low, high: (N,) float32, ends of the box in cells.
    length: (N, 1) float32, number of cells along the axis.
    """
    share = (arange(points).astype(ms.float32) + 0.5) / points
    low = low.expand_dims(1)
    point = low + (high.expand_dims(1) - low) * share
    inside = ops.logical_and(point >= -1, point <= length).astype(ms.float32)
    last = ops.tile(length - 1, (1, points))
    point = ops.minimum(ops.relu(point), last)
    first = ops.floor(point)
    second = ops.minimum(first + 1, last)
    return first.astype(ms.int32), second.astype(ms.int32), point - first, inside


def _bin_means(resolution: int, sampling_ratio: int) -> Tensor:
    """Returns the (resolution, P) matrix that averages the sampling_ratio points of each bin along one axis."""
    bin_of_point = arange(resolution * sampling_ratio) // sampling_ratio
    member = arange(resolution).expand_dims(1) == bin_of_point.expand_dims(0)
    return member.astype(ms.float32) / sampling_ratio
