"""Choice of the mask points that PointRend predicts (https://arxiv.org/abs/1912.08193, sections 3.1 and 3.2).

Uncertainty is minus the distance of a logit from 0. Letters in shapes: N masks, M their side, P points. A point is (x,
y), fractions (0..1) of the mask's width and height.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops.arange import arange
from mindrcnn.ops.gather import take_rows
from mindrcnn.ops.point_sample import point_sample


def grid_points(count: int, side: int) -> Tensor:
    """Returns the centres (count, side * side, 2) of the cells of a side x side grid, row first."""
    cells = arange(side * side)
    return cell_centres(ops.tile(cells.expand_dims(0), (count, 1)), side)


def cell_centres(cells: Tensor, side: int) -> Tensor:
    """Returns the centres (N, P, 2) of cells (N, P) int32, numbered row first in a side x side grid."""
    y = cells // side
    x = cells - y * side
    return (ops.stack((x, y), axis=2).astype(ms.float32) + 0.5) / side


def uncertain_points(logits: Tensor, candidates: Tensor, count: int) -> Tensor:
    """Returns the `count` most uncertain candidates, (N, count, 2).

    Uncertainty is taken from the logits sampled at the points: halfway between -1 and 1 it is greatest, where sampling
    the uncertainty of the cells would make it smallest.

    logits: (N, M, M) float32.
    candidates: (N, Q, 2) float32 points.
    """
    sampled = point_sample(logits.expand_dims(1), candidates)[..., 0]
    _, index = ops.topk(-ops.abs(sampled), count)
    return ops.stop_gradient(take_rows(candidates, index))


def uncertain_cells(logits: Tensor, count: int) -> Tensor:
    """Returns the `count` most uncertain cells (N, count) int32 of logits (N, M, M), numbered row first."""
    _, cells = ops.topk(-ops.abs(logits.reshape((logits.shape[0], -1))), count)
    return cells.astype(ms.int32)


def doubled(logits: Tensor) -> Tensor:
    """Returns masks (N, M, M) enlarged bilinearly to (N, 2M, 2M), as interpolate does without align_corners."""
    return _doubled_rows(_doubled_rows(logits).transpose(0, 2, 1)).transpose(0, 2, 1)


def write_cells(logits: Tensor, cells: Tensor, values: Tensor) -> Tensor:
    """Returns masks (N, M, M) with values written to some cells.

    values: (N, P) float32.
    cells: (N, P) int32, numbered row first, all different within a row.
    """
    flat = logits.reshape((logits.shape[0], -1))
    return ops.tensor_scatter_elements(flat, cells, values, axis=1).reshape(logits.shape)


def _doubled_rows(values: Tensor) -> Tensor:
    """Returns values (N, H, W) as (N, 2H, W): each row read a quarter of a row above and below its centre."""
    above = ops.concat((values[:, :1], values[:, :-1]), axis=1)
    below = ops.concat((values[:, 1:], values[:, -1:]), axis=1)
    halves = ops.stack((0.25 * above + 0.75 * values, 0.75 * values + 0.25 * below), axis=2)
    return halves.reshape((values.shape[0], 2 * values.shape[1], values.shape[2]))
