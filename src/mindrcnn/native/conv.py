"""The convolution kernels as MindSpore operators.

Their settings [1] float32: 1 for ReLU behind the bias, 0 for none. valid [B] bool; scale and bias [K].
"""

import mindspore as ms
from mindspore import Tensor, ops
from mindspore.ops.operations import _grad_ops

from mindrcnn.native.library import library

# Channels come in multiples of these: kChannelStep of conv3x3.h, kInStep and kOutStep of conv1x1.h.
CHANNEL_STEPS_3X3 = (32, 32)
CHANNEL_STEPS_1X1 = (32, 16)

Shape = tuple[int, ...]


class _Conv(ops.Custom):
    """Call with x [B, C, H, W], weight [K, C, side, side], scale, bias, valid and settings; returns [B, K, H, W]."""

    def __init__(self, kernel: str, relu: bool) -> None:
        def out_shape(x: Shape, weight: Shape, scale: Shape, bias: Shape, valid: Shape, settings: Shape) -> Shape:
            return x[0], weight[0], x[2], x[3]

        def bprop(x, weight, scale, bias, valid, settings, out, dout):  # type: ignore[no-untyped-def]
            seen = out if relu else dout  # the kernels do not read it without ReLU; `out` would stay in memory for it
            to_x = _InputGradient(kernel, x.shape)(dout, seen, weight, scale, valid, settings)
            to_weight, to_bias = _WeightGradient(kernel, weight.shape)(x, dout, seen, scale, valid, settings)
            return to_x, to_weight, ops.zeros_like(scale), to_bias, ops.zeros_like(valid), ops.zeros_like(settings)

        super().__init__(f"{library()}:{kernel}_forward", out_shape, ms.float32, "aot", bprop)
        self.add_prim_attr("relu", relu)  # the reason is in roi_align.py


class _AddingConv1x1(ops.Custom):
    """As _Conv of 1x1, with a summand of the output's shape behind the bias, always with ReLU."""

    def __init__(self) -> None:
        def out_shape(
            x: Shape, weight: Shape, scale: Shape, bias: Shape, summand: Shape, valid: Shape, settings: Shape
        ) -> Shape:
            return summand

        def bprop(x, weight, scale, bias, summand, valid, settings, out, dout):  # type: ignore[no-untyped-def]
            # The summand's gradient, which is needed as a tensor; so the kernels need not look at the output.
            plain = ops.zeros_like(settings)
            to_sum = _grad_ops.ReluGrad()(dout, out)
            to_x = _InputGradient("conv1x1", x.shape)(to_sum, to_sum, weight, scale, valid, plain)
            to_weight, to_bias = _WeightGradient("conv1x1", weight.shape)(x, to_sum, to_sum, scale, valid, plain)
            return to_x, to_weight, ops.zeros_like(scale), to_bias, to_sum, ops.zeros_like(valid), plain

        super().__init__(f"{library()}:conv1x1_add_forward", out_shape, ms.float32, "aot", bprop)


class _InputGradient(ops.Custom):
    """Call with the output's gradient, the output, weight, scale, valid and settings."""

    def __init__(self, kernel: str, shape: Shape) -> None:
        super().__init__(f"{library()}:{kernel}_input_gradient", shape, ms.float32, "aot")


class _WeightGradient(ops.Custom):
    """Call with x, the output's gradient, the output, scale, valid and settings; returns those of weight and bias."""

    def __init__(self, kernel: str, shape: Shape) -> None:
        shapes, dtypes = (shape, (shape[0],)), (ms.float32, ms.float32)
        super().__init__(f"{library()}:{kernel}_weight_gradient", shapes, dtypes, "aot")


def native_conv(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, valid: Tensor, *, relu: bool) -> Tensor:
    """ops.conv.conv3x3 or conv1x1, as the weight's shape says."""
    kernel = "conv3x3" if weight.shape[2] == 3 else "conv1x1"
    settings = Tensor((float(relu),), ms.float32)
    return _Conv(kernel, relu)(x, weight, ops.stop_gradient(scale), bias, ops.stop_gradient(valid), settings)


def native_add_conv1x1(
    x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, summand: Tensor, valid: Tensor
) -> Tensor:
    """ops.conv.conv1x1 with a summand."""
    settings = Tensor((1.0,), ms.float32)
    valid = ops.stop_gradient(valid)
    return _AddingConv1x1()(x, weight, ops.stop_gradient(scale), bias, summand, valid, settings)
