"""Layers shared by all parts of a detector, and their initial weights.

Tensors are float32, NCHW. The initializers are those of detectron2 and torchvision; every draw depends on
`mindspore.set_seed`.
"""

import math
from typing import Literal

from mindspore import Tensor, nn, ops
from mindspore.common.initializer import HeNormal, HeUniform, Initializer, Normal, initializer
from mindspore.common.parameter import Parameter

from mindrcnn.models.batch_norm import BatchNorm, SyncBatchNorm, build_activation
from mindrcnn.ops.batch_norm import Activation
from mindrcnn.ops.conv import conv1x1, conv1x1_add_relu, conv1x1_stride2, conv3x3, conv3x3_stride2, scale_rows
from mindrcnn.ops.depthwise import depthwise3x3
from mindrcnn.ops.roi_align import roi_align

POOLED_STRIDES = (4, 8, 16, 32)  # P2..P5; P6 serves proposals only

NORM_EPS = 1e-5  # torchvision, mindcv and detectron2 alike

GROUPS = 32  # of group norm, in every published model

# By kernel size and stride: the convolutions that the package computes by its own functions.
PLAIN_CONVOLUTIONS = {(1, 1): conv1x1, (1, 2): conv1x1_stride2, (3, 1): conv3x3, (3, 2): conv3x3_stride2}

Norm = Literal["frozen", "frozen_statistics", "batch", "sync_batch", "group"]
HeadNorm = Literal["none", "group", "sync_batch", "frozen"]  # in pyramid and heads; none: convolutions have a bias


class FrozenBatchNorm(nn.Cell):
    """Batch norm whose statistics never change, as a scale and a shift.

    Nothing in it trains (detectron2's FrozenBatchNorm2d) unless `affine_trains` is set; then gamma and beta do
    (mmdetection's norm_eval). Its parameters have the names and shapes of those of `nn.BatchNorm2d`, so both read the
    same checkpoints.
    """

    def __init__(self, *, channels: int, affine_trains: bool) -> None:
        super().__init__()
        self.affine_trains = affine_trains
        self.gamma = Parameter(initializer("ones", (channels,)), name="gamma", requires_grad=affine_trains)
        self.beta = Parameter(initializer("zeros", (channels,)), name="beta", requires_grad=affine_trains)
        self.moving_mean = Parameter(initializer("zeros", (channels,)), name="moving_mean", requires_grad=False)
        self.moving_variance = Parameter(initializer("ones", (channels,)), name="moving_variance", requires_grad=False)

    def construct(self) -> tuple[Tensor, Tensor]:
        """Returns scale (C,) and shift (C,), without gradient unless the affine parameters train."""
        scale = self.gamma * ops.rsqrt(self.moving_variance + NORM_EPS)
        shift = self.beta - self.moving_mean * scale
        if self.affine_trains:
            return scale, shift
        return ops.stop_gradient(scale), ops.stop_gradient(shift)


class GroupNorm(nn.Cell):
    """Group norm of 32 groups (Wu and He, https://arxiv.org/abs/1803.08494), the same in training and inference."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = Parameter(initializer("ones", (channels,)), name="gamma")
        self.beta = Parameter(initializer("zeros", (channels,)), name="beta")
        self.bias_add = ops.BiasAdd()

    def construct(self, x: Tensor) -> Tensor:
        """Normalises x (B, C, H, W)."""
        batch, channels, height, width = x.shape
        grouped = x.reshape(batch, GROUPS, -1, height * width)
        tiles = (1, 1, channels // GROUPS, height * width)
        # Means of means, because a float32 sum over a whole group of a large map loses digits.
        centred = grouped - ops.tile(grouped.mean(axis=3, keep_dims=True).mean(axis=2, keep_dims=True), tiles)
        variance = (centred * centred).mean(axis=3, keep_dims=True).mean(axis=2, keep_dims=True)
        normal = (centred * ops.tile(ops.rsqrt(variance + NORM_EPS), tiles)).reshape(x.shape)
        scale = ops.tile(self.gamma.reshape(1, -1, 1, 1), (batch, 1, height, width))
        return self.bias_add(normal * scale, self.beta)


class ConvNorm(nn.Cell):
    """Convolution without bias, norm, activation: (B, in, H, W) -> (B, out, H/stride, W/stride).

    Padding is symmetric, kernel_size // 2, unless (top, bottom, left, right) is given. A frozen norm is folded into the
    convolution's weight and bias inside the graph, which saves a pass over the activations: forward and backward of a
    1x1 convolution 64 -> 256 at 200x336 take 0.15 s, with ops.BatchNorm 0.17 s, with a broadcast multiply and add
    0.21 s; the whole ResNet-50 gains 3 to 5 % (CPU, two cores).
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        norm: Norm,
        activation: Activation,
        padding: tuple[int, int, int, int] | None = None,
        weight_init: Initializer | None = None,
    ) -> None:
        super().__init__()
        half = kernel_size // 2
        pad = padding or (half, half, half, half)
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            pad_mode="pad",
            padding=pad,
            group=groups,
            has_bias=False,
            weight_init=weight_init or msra_normal(),
        )
        self.frozen = norm in ("frozen", "frozen_statistics")
        self.counts_rows = norm == "sync_batch"
        self.norm = _norm(norm, out_channels, activation)
        self.convolve = ops.Conv2D(out_channels, kernel_size, pad_mode="pad", pad=pad, stride=stride, group=groups)
        self.bias_add = ops.BiasAdd()
        self.stride, self.padding = stride, pad
        self.depthwise_3x3 = kernel_size == 3 and groups == in_channels == out_channels
        plain = (groups, padding) == (1, None)
        self.convolve_plain = PLAIN_CONVOLUTIONS.get((kernel_size, stride)) if plain else None
        self.relu_inside = self.frozen and self.convolve_plain is not None and activation == "relu"
        self.adds_inside = self.frozen and self.convolve_plain is conv1x1
        self.activation: Activation = activation
        self.activate = build_activation("none" if self.relu_inside or isinstance(self.norm, BatchNorm) else activation)

    def construct(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Returns the output for x (B, in, H, W).

        valid: (B,) bool, the rows that are wanted; all without it. The output of the others is unspecified.
        """
        if not self.frozen:
            x = self.convolution(x, valid)
            return self.activate(self.norm(x, valid) if self.counts_rows else self.norm(x))
        weight, scale, shift = self.folded()
        if self.convolve_plain is not None:
            return self.activate(self.convolve_plain(x, weight, shift, scale=scale, relu=self.relu_inside, valid=valid))
        return self.activate(self.bias_add(self.convolve_other(x, scale_rows(weight, scale)), shift))

    def convolution(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Returns the convolution of x (B, C, H, W), without norm and activation."""
        if self.convolve_plain is not None:
            return self.convolve_plain(x, self.conv.weight, None, valid=valid)
        return self.convolve_other(x, self.conv.weight)

    def convolve_other(self, x: Tensor, weight: Tensor) -> Tensor:
        """Returns the convolution of x (B, C, H, W) if it is none of PLAIN_CONVOLUTIONS."""
        if self.depthwise_3x3:
            return depthwise3x3(x, weight, stride=self.stride, padding=self.padding)
        return self.convolve(x, weight)

    def add_relu(self, x: Tensor, summand: Tensor) -> Tensor:
        """Returns ReLU of x's output plus a summand of the same shape, for a layer without an activation."""
        if self.adds_inside:
            weight, scale, shift = self.folded()
            return conv1x1_add_relu(x, weight, shift, summand, scale=scale)
        return ops.relu(self.construct(x) + summand)

    def folded(self) -> tuple[Tensor, Tensor, Tensor]:
        """Returns weight, scale and shift of a frozen layer. If the scale trains, it is part of the weight."""
        scale, shift = self.norm()
        if not self.norm.affine_trains:
            return self.conv.weight, scale, shift
        return scale_rows(self.conv.weight, scale), ops.ones_like(scale), shift


def _norm(norm: Norm, channels: int, activation: Activation) -> nn.Cell:
    if norm == "group":
        return GroupNorm(channels)
    if norm in ("batch", "sync_batch"):
        kind = BatchNorm if norm == "batch" else SyncBatchNorm
        return kind(channels=channels, eps=NORM_EPS, activation=activation)
    return FrozenBatchNorm(channels=channels, affine_trains=norm == "frozen_statistics")


class RoiPooler(nn.Cell):
    """ROIAlign of one output size over the pyramid levels P2..P5; see ops.roi_align.roi_align for the settings."""

    def __init__(self, *, resolution: int, sampling_ratio: int, aligned: bool) -> None:
        super().__init__()
        self.resolution = resolution
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def construct(self, features: tuple[Tensor, ...], boxes: Tensor, valid: Tensor) -> Tensor:
        """Returns the pooled features (B * S, C, resolution, resolution).

        features: P2..P6, each (B, C, H_l, W_l).
        boxes: (B, S, 4), input pixels.
        valid: (B, S) bool.
        """
        return roi_align(
            features[:4],
            POOLED_STRIDES,
            boxes,
            valid,
            resolution=self.resolution,
            sampling_ratio=self.sampling_ratio,
            aligned=self.aligned,
        )


def conv(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int,
    weight_init: Initializer,
    stride: int = 1,
    cell: type[nn.Conv2d] = nn.Conv2d,
) -> nn.Conv2d:
    """Returns a convolution that keeps the size of its input, or divides it by the stride and rounds up."""
    return cell(
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
    """Returns a transposed 2x2 convolution of stride 2, weights of variance 2 / fan-out (detectron2 `c2_msra_fill`).

    An initializer would take the input channels for the output channels, because they come first in a transposed
    kernel.
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
    """Returns a fully connected layer with zero bias."""
    return nn.Dense(in_channels, out_channels, weight_init=weight_init, bias_init="zeros")


def msra_normal() -> Initializer:
    """Returns a normal initializer of variance 2 / fan_out, for ResNet convolutions and mask heads.

    He et al. 2015; detectron2 `c2_msra_fill`.
    """
    return HeNormal(mode="fan_out", nonlinearity="relu")


def msra_normal_fan_in() -> Initializer:
    """Returns a normal initializer of variance 2 / fan_in, for depthwise convolutions.

    Their fan_out as computed from the weight's shape (channels x kernel area) is too large by the number of channels
    and would let the signal vanish.
    """
    return HeNormal(mode="fan_in", nonlinearity="relu")


def xavier_fill() -> Initializer:
    """Returns a uniform initializer of variance 1 / fan_in, for the FPN and fully connected layers.

    detectron2 `c2_xavier_fill`; torchvision `kaiming_uniform_(a=1)`.
    """
    return HeUniform(negative_slope=1, mode="fan_in", nonlinearity="leaky_relu")
