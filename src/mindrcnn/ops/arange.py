"""Whole numbers as a constant of the compiled graph."""

import mindspore as ms
import numpy as np
from mindspore import Tensor


# MindSpore's own is a dozen Python functions with loops, which a graph's compiler reads again at each call.
@ms.constexpr
def arange(count: int) -> Tensor:
    """Returns 0, 1, ..., count - 1, (count,) int32."""
    return Tensor(np.arange(count, dtype=np.int32))
