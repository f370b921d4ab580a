"""Batched row selection."""

import mindspore as ms
from mindspore import Tensor, ops


def take_rows(values: Tensor, index: Tensor) -> Tensor:
    """Rows values[b, index[b, s]] as [B, S, ...], of values [B, N, ...] and index [B, S] int32 in 0..N-1.

    The gradient flows to values; rows taken twice receive the sum.
    """
    images, length = values.shape[:2]
    offsets = (ops.arange(images) * length).astype(ms.int32).expand_dims(1)
    flat = values.reshape((images * length, *values.shape[2:]))
    return ops.gather(flat, index.astype(ms.int32) + offsets, 0)


def cell_table(maps: Tensor) -> Tensor:
    """maps [N, C, H, W] as rows of cells [N * H * W, C]."""
    return maps.transpose(0, 2, 3, 1).reshape((-1, maps.shape[1]))
