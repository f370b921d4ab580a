"""The settings of a kernel as a constant of the compiled graph."""

import mindspore as ms
from mindspore import Tensor


# Written in a graph, each conversion of a number is a function that the graph's compiler reads again.
@ms.constexpr
def as_settings(values: tuple[float, ...]) -> Tensor:
    """Returns numbers and bools as (N,) float32."""
    return Tensor([float(value) for value in values], ms.float32)
