"""Batched selection of rows and of classes."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops.arange import arange


def take_rows(values: Tensor, index: Tensor) -> Tensor:
    """Returns the rows values[b, index[b, s]], (B, S, ...), of values (B, N, ...) at index (B, S) int32 in 0..N-1.

    The gradient flows to values; a row taken twice receives the sum.
    """
    images, length = values.shape[:2]
    offsets = (arange(images) * length).expand_dims(1)
    flat = values.reshape((images * length, *values.shape[2:]))
    return ops.gather(flat, index.astype(ms.int32) + offsets, 0)


def take_class(values: Tensor, labels: Tensor) -> Tensor:
    """Returns each row's values for its own class, (N, ...).

    values: (N, K, ...), one entry per foreground class.
    labels: (N,) int32 in 1..K; 0, the background, reads class 1.
    """
    rows, num_classes = values.shape[:2]
    index = arange(rows) * num_classes + ops.relu(labels - 1)
    return ops.gather(values.reshape((rows * num_classes, -1)), index, 0).reshape((rows, *values.shape[2:]))


def cell_table(maps: Tensor) -> Tensor:
    """Returns the cells of maps (N, C, H, W) as rows (N * H * W, C)."""
    return maps.transpose(0, 2, 3, 1).reshape((-1, maps.shape[1]))
