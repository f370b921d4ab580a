"""Selection of the slots of padded boxes that a branch computes.

Padded arrays are (B, S): S slots for each of B images, with a valid mask. A row is a slot that is computed; there are
N.
"""

from collections.abc import Callable

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops.arange import arange

SlotSelection = Callable[[Tensor], Tensor]  # valid (B, S) bool -> slots (N,) int32, numbered through all images


def all_slots(valid: Tensor) -> Tensor:
    """Returns every slot, used or not: graphs need a fixed number of rows."""
    return arange(valid.shape[0] * valid.shape[1])


def valid_slots(valid: Tensor) -> Tensor:
    """Returns the used slots only: fewer rows, but their number depends on the data, so PyNative mode only.

    If no slot is used, the first one takes their place, because operators reject empty tensors; its results have no
    weight.
    """
    used = ops.nonzero(valid.reshape(-1)).reshape(-1).astype(ms.int32)
    return used if used.shape[0] > 0 else ops.zeros((1,), ms.int32)


def gather_slots(values: Tensor, rows: Tensor) -> Tensor:
    """Returns the rows (N, ...) of values (B, S, ...) at slots (N,)."""
    return ops.gather(values.reshape((-1, *values.shape[2:])), rows, 0)


def scatter_slots(values: Tensor, rows: Tensor, valid: Tensor) -> Tensor:
    """Inverts `gather_slots`: returns values (N, ...) as (B, S, ...), with zeros in slots that are not valid."""
    shape = (valid.shape[0] * valid.shape[1], *values.shape[1:])
    weight = gather_slots(valid, rows).astype(values.dtype).reshape((-1,) + (1,) * (values.ndim - 1))
    return ops.scatter_nd(rows.expand_dims(1), values * weight, shape).reshape(valid.shape + values.shape[1:])
