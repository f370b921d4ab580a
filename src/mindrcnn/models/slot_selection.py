"""Which slots of padded boxes a branch computes.

Padded arrays are B,S: S slots for each of B images, with a valid mask. A row is a slot that is computed; N of them.
"""

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, ops

RowChoice = Callable[[Tensor], Tensor]  # valid B,S bool -> slots N int32, counted through all images


def all_rows(valid: Tensor) -> Tensor:
    """Every slot, used or not: a fixed number of rows, as graphs need it."""
    return ops.arange(valid.shape[0] * valid.shape[1]).astype(ms.int32)


def valid_rows(valid: Tensor) -> Tensor:
    """The used slots alone, by boolean selection: fewer rows, but their number depends on the data, so PyNative only.

    Where no slot is used, the first stands in for them: operators refuse empty tensors. What it gives has no weight.
    """
    used = ops.nonzero(valid.reshape(-1)).reshape(-1).astype(ms.int32)
    return used if used.shape[0] > 0 else ops.zeros((1,), ms.int32)


def take(values: Tensor, rows: Tensor) -> Tensor:
    """Values B,S,... of rows N, as N,..."""
    return ops.gather(values.reshape((-1, *values.shape[2:])), rows, 0)


def put_back(values: Tensor, rows: Tensor, valid: Tensor) -> Tensor:
    """The reverse of `take`: values N,... as B,S,... with zeros in slots that are not valid."""
    shape = (valid.shape[0] * valid.shape[1], *values.shape[1:])
    weight = take(valid, rows).astype(values.dtype).reshape((-1,) + (1,) * (values.ndim - 1))
    return ops.scatter_nd(rows.expand_dims(1), values * weight, shape).reshape(valid.shape + values.shape[1:])
