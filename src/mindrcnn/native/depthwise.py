"""The depthwise convolution kernels as MindSpore operators.

Their settings (5,) float32: stride, then rows and columns of zeros: top, bottom, left, right.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library
from mindrcnn.native.settings import as_settings

Shape = tuple[int, ...]
SIDE = 3


class _Depthwise(ops.Custom):
    """Called with x (B, C, H, W), weight (C, 1, 3, 3) and settings; returns (B, C, H', W')."""

    def __init__(self, stride: int, padding: tuple[int, int, int, int]) -> None:
        top, bottom, left, right = padding

        def out_shape(x: Shape, weight: Shape, settings: Shape) -> Shape:
            height, width = x[2] + top + bottom - SIDE, x[3] + left + right - SIDE
            return x[0], x[1], height // stride + 1, width // stride + 1

        def bprop(x, weight, settings, out, dout):  # type: ignore[no-untyped-def]
            to_x = _InputGradient(x.shape)(dout, weight, settings)
            to_weight = _WeightGradient(weight.shape)(x, dout, settings)
            return to_x, to_weight, ops.zeros_like(settings)

        super().__init__(f"{library()}:depthwise_forward", out_shape, ms.float32, "aot", bprop)
        # The reason is in roi_align.py, below too.
        self.add_prim_attr("stride", stride)
        self.add_prim_attr("padding", padding)


class _InputGradient(ops.Custom):
    """Called with the output's gradient, weight and settings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(f"{library()}:depthwise_input_gradient", shape, ms.float32, "aot")
        self.add_prim_attr("shape", shape)


class _WeightGradient(ops.Custom):
    """Called with x, the output's gradient and settings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(f"{library()}:depthwise_weight_gradient", shape, ms.float32, "aot")


def native_depthwise(x: Tensor, weight: Tensor, *, stride: int, padding: tuple[int, int, int, int]) -> Tensor:
    """Computes ops.depthwise.depthwise3x3."""
    settings = as_settings((stride, *padding))
    return _Depthwise(stride, padding)(x, weight, settings)
