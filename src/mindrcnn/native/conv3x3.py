"""The convolution kernels as MindSpore operators."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.switch import library

CHANNEL_STEP = 32  # channels come in multiples of this, kChannelStep of conv3x3.h

Shape = tuple[int, ...]


class _Conv3x3(ops.Custom):
    """Call with x [B, C, H, W], weight [K, C, 3, 3], bias [K], valid [B] and settings; returns [B, K, H, W].

    settings [1] float32: 1 for ReLU behind the bias, 0 for none.
    """

    def __init__(self) -> None:
        def out_shape(x: Shape, weight: Shape, bias: Shape, valid: Shape, settings: Shape) -> Shape:
            return x[0], weight[0], x[2], x[3]

        def bprop(x, weight, bias, valid, settings, out, dout):  # type: ignore[no-untyped-def]
            x_gradient = _InputGradient(x.shape)(dout, out, weight, valid, settings)
            weight_gradient, bias_gradient = _WeightGradient(weight.shape)(x, dout, out, valid, settings)
            return x_gradient, weight_gradient, bias_gradient, ops.zeros_like(valid), ops.zeros_like(settings)

        super().__init__(f"{library()}:conv3x3_forward", out_shape, ms.float32, "aot", bprop)


class _InputGradient(ops.Custom):
    """Call with the output's gradient, the output, weight, valid and settings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(f"{library()}:conv3x3_input_gradient", shape, ms.float32, "aot")


class _WeightGradient(ops.Custom):
    """Call with x, the output's gradient, the output, valid and settings; returns the gradients of weight and bias."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(f"{library()}:conv3x3_weight_gradient", (shape, (shape[0],)), (ms.float32, ms.float32), "aot")


def native_conv3x3(x: Tensor, weight: Tensor, bias: Tensor, valid: Tensor, *, relu: bool) -> Tensor:
    """ops.conv3x3.conv3x3; valid [B] bool."""
    return _Conv3x3()(x, weight, bias, ops.stop_gradient(valid), Tensor((float(relu),), ms.float32))
