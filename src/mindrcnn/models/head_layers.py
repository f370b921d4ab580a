"""Layers of the pyramid and the heads, all with a bias that starts at 0."""

import math

from mindspore import nn
from mindspore.common.initializer import Initializer, Normal


def conv(
    in_channels: int, out_channels: int, *, kernel_size: int, weight_init: Initializer, stride: int = 1
) -> nn.Conv2d:
    """Convolution that keeps the size of its input, or divides it by the stride and rounds up."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        pad_mode="pad",
        padding=kernel_size // 2,
        has_bias=True,
        weight_init=weight_init,
        bias_init="zeros",
    )


def doubling_deconv(in_channels: int, out_channels: int) -> nn.Conv2dTranspose:
    """Transposed 2x2 convolution of stride 2; weights of variance 2 / fan-out (detectron2 `c2_msra_fill`).

    An initializer would take the input channels for the output's: in a transposed kernel they come first.
    """
    kernel_size = 2
    return nn.Conv2dTranspose(
        in_channels,
        out_channels,
        kernel_size,
        stride=2,
        pad_mode="valid",
        has_bias=True,
        weight_init=Normal(math.sqrt(2.0 / (out_channels * kernel_size**2))),
        bias_init="zeros",
    )


def dense(in_channels: int, out_channels: int, *, weight_init: Initializer) -> nn.Dense:
    """Fully connected layer."""
    return nn.Dense(in_channels, out_channels, weight_init=weight_init, bias_init="zeros")
