"""3x3 convolution of stride 1 that keeps the size of its map: most of the arithmetic of a detector."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.conv3x3 import CHANNEL_STEP, native_conv3x3
from mindrcnn.native.switch import in_use


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor, *, relu: bool, valid: Tensor | None = None) -> Tensor:
    """x [B, C, H, W] float32, weight [K, C, 3, 3], bias [K]. Returns [B, K, H, W], behind ReLU if asked for.

    valid [B] bool: what comes out for the others is not to be used, and no gradient may come from there. The kernel
    does not compute them; it gives zeros.
    """
    channels_fit = weight.shape[0] % CHANNEL_STEP == 0 and weight.shape[1] % CHANNEL_STEP == 0
    if channels_fit and in_use():
        if valid is None:
            valid = ops.ones((x.shape[0],), ms.bool_)
        return native_conv3x3(x, weight, bias, valid, relu=relu)
    out = ops.BiasAdd()(ops.Conv2D(weight.shape[0], 3, pad_mode="pad", pad=1)(x, weight), bias)
    return ops.relu(out) if relu else out
