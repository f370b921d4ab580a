"""Layers of the heads with the initial values that detectron2 and torchvision give them."""

import math

from mindspore import nn
from mindspore.common.initializer import Normal, Uniform


def normal_conv(in_channels: int, out_channels: int, *, kernel_size: int, std: float) -> nn.Conv2d:
    """Same-size convolution with bias: weights N(0, std), bias 0."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        pad_mode="pad",
        padding=kernel_size // 2,
        has_bias=True,
        weight_init=Normal(std),
        bias_init="zeros",
    )


def msra_conv(in_channels: int, out_channels: int, *, kernel_size: int) -> nn.Conv2d:
    """Same-size convolution with bias: He normal on the fan-out (c2_msra_fill), bias 0."""
    fan_out = out_channels * kernel_size * kernel_size
    return normal_conv(in_channels, out_channels, kernel_size=kernel_size, std=math.sqrt(2.0 / fan_out))


def msra_deconv(in_channels: int, out_channels: int) -> nn.Conv2dTranspose:
    """2x upsampling by a 2x2 transposed convolution of stride 2, with bias; He normal on the fan-out, bias 0."""
    std = math.sqrt(2.0 / (out_channels * 2 * 2))
    return nn.Conv2dTranspose(
        in_channels,
        out_channels,
        2,
        stride=2,
        pad_mode="valid",
        has_bias=True,
        weight_init=Normal(std),
        bias_init="zeros",
    )


def kaiming_dense(in_channels: int, out_channels: int) -> nn.Dense:
    """Fully connected layer: Kaiming uniform with a=1 (c2_xavier_fill), bias 0."""
    limit = math.sqrt(3.0 / in_channels)
    return nn.Dense(in_channels, out_channels, weight_init=Uniform(limit), bias_init="zeros")


def normal_dense(in_channels: int, out_channels: int, *, std: float) -> nn.Dense:
    """Fully connected layer: weights N(0, std), bias 0."""
    return nn.Dense(in_channels, out_channels, weight_init=Normal(std), bias_init="zeros")
