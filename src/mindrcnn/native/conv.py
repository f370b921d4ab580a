"""The convolution kernels as MindSpore operators.

settings: (1,) float32, 1 to apply ReLU after the bias, else 0. valid: (B,) bool. scale, bias: (K,) float32.
"""

import mindspore as ms
from mindspore import Tensor, ops
from mindspore.ops.operations import _grad_ops

from mindrcnn.native.library import library
from mindrcnn.native.settings import as_settings

# Channels come in multiples of these: kChannelStep of conv3x3.h, kInStep and kOutStep of conv1x1.h.
CHANNEL_STEPS_3X3 = (32, 32)
CHANNEL_STEPS_1X1 = (32, 16)

Shape = tuple[int, ...]


class _Conv(ops.Custom):
    """Operator that convolves x (B, C, H, W) with weight (K, C, side, side) to (B, K, H, W)."""

    def __init__(self, kernel: str, relu: bool) -> None:
        def out_shape(x: Shape, weight: Shape, scale: Shape, bias: Shape, valid: Shape, settings: Shape) -> Shape:
            return x[0], weight[0], x[2], x[3]

        def bprop(x, weight, scale, bias, valid, settings, out, dout):  # type: ignore[no-untyped-def]
            seen = out if relu else dout  # without ReLU the kernels do not read it, and `out` would be kept in memory
            to_x = _InputGradient(kernel, x.shape)(dout, seen, weight, scale, valid, settings)
            to_weight, to_bias = _WeightGradient(kernel, weight.shape)(x, dout, seen, scale, valid, settings)
            return to_x, to_weight, ops.zeros_like(scale), to_bias, ops.zeros_like(valid), ops.zeros_like(settings)

        super().__init__(f"{library()}:{kernel}_forward", out_shape, ms.float32, "aot", bprop)
        self.add_prim_attr("relu", relu)  # see _RoiAlign in roi_align.py


class _AddingConv1x1(ops.Custom):
    """Operator like a 1x1 _Conv with ReLU that adds a summand of the output's shape after the bias."""

    def __init__(self) -> None:
        def out_shape(
            x: Shape, weight: Shape, scale: Shape, bias: Shape, summand: Shape, valid: Shape, settings: Shape
        ) -> Shape:
            return summand

        def bprop(x, weight, scale, bias, summand, valid, settings, out, dout):  # type: ignore[no-untyped-def]
            # The summand's gradient is needed as a tensor anyway; with it the kernels need not read the output.
            plain = ops.zeros_like(settings)
            to_sum = _grad_ops.ReluGrad()(dout, out)
            to_x = _InputGradient("conv1x1", x.shape)(to_sum, to_sum, weight, scale, valid, plain)
            to_weight, to_bias = _WeightGradient("conv1x1", weight.shape)(x, to_sum, to_sum, scale, valid, plain)
            return to_x, to_weight, ops.zeros_like(scale), to_bias, to_sum, ops.zeros_like(valid), plain

        super().__init__(f"{library()}:conv1x1_add_forward", out_shape, ms.float32, "aot", bprop)


class _InputGradient(ops.Custom):
    """Operator from the output's gradient, the output, weight, scale, valid and settings to the gradient of x."""

    def __init__(self, kernel: str, shape: Shape) -> None:
        super().__init__(f"{library()}:{kernel}_input_gradient", shape, ms.float32, "aot")


class _WeightGradient(ops.Custom):
    """Operator from x, the output's gradient, the output, scale, valid, settings to gradients of weight and bias."""

    def __init__(self, kernel: str, shape: Shape) -> None:
        shapes, dtypes = (shape, (shape[0],)), (ms.float32, ms.float32)
        super().__init__(f"{library()}:{kernel}_weight_gradient", shapes, dtypes, "aot")


def native_conv(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, valid: Tensor, *, relu: bool) -> Tensor:
    """Computes ops.conv.conv3x3 or conv1x1, depending on the weight's shape.

    x: (B, C, H, W) float32.
    weight: (K, C, 3, 3) or (K, C, 1, 1) float32.
    scale, bias: (K,) float32.
    valid: (B,) bool.
    relu: apply ReLU to the result.
    """
    kernel = "conv3x3" if weight.shape[2] == 3 else "conv1x1"
    settings = as_settings((relu,))
    return _Conv(kernel, relu)(x, weight, ops.stop_gradient(scale), bias, ops.stop_gradient(valid), settings)


def native_add_conv1x1(
    x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, summand: Tensor, valid: Tensor
) -> Tensor:
    """Computes ops.conv.conv1x1_add_relu.

    x: (B, C, H, W) float32.
    weight: (K, C, 1, 1) float32.
    scale, bias: (K,) float32.
    summand: (B, K, H, W) float32.
    valid: (B,) bool.
    """
    settings = as_settings((True,))
    valid = ops.stop_gradient(valid)
    return _AddingConv1x1()(x, weight, ops.stop_gradient(scale), bias, summand, valid, settings)
