"""Depthwise convolution: each channel by itself. Everything is float32."""

from mindspore import Tensor, ops

from mindrcnn.native.depthwise import native_depthwise
from mindrcnn.native.switch import in_use


def depthwise3x3(x: Tensor, weight: Tensor, *, stride: int, padding: tuple[int, int, int, int]) -> Tensor:
    """Returns the convolution (B, C, H', W') of x (B, C, H, W) with weight (C, 1, 3, 3).

    stride: 1 or 2. padding: rows and columns of zeros, 0 or 1 each: top, bottom, left, right.
    """
    if in_use():
        return native_depthwise(x, weight, stride=stride, padding=padding)
    channels = weight.shape[0]
    return ops.Conv2D(channels, 3, pad_mode="pad", pad=padding, stride=stride, group=channels)(x, weight)
