"""The largest values of each row."""

import mindspore as ms
from mindspore import Tensor, ops


def topk(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Returns the largest values (..., k), descending, and their indices (..., k) int32; k is count, or N if smaller.

    values: (..., N) float32.
    """
    best, index = ops.TopK(sorted=True)(values, _smaller(count, values.shape[-1]))
    return best, index


@ms.constexpr
def _smaller(a: int, b: int) -> int:
    return min(a, b)
