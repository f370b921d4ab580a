"""Convolution + normalisation + activation, the building block of the backbones.

Tensors are float32, NCHW.
"""

from typing import Literal

from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Initializer
from mindspore.common.parameter import Parameter

from mindrcnn.models.initializers import msra_normal
from mindrcnn.ops.conv import conv1x1, conv1x1_add_relu, conv3x3, conv3x3_stride2, scale_rows
from mindrcnn.ops.depthwise import depthwise3x3

NORM_EPS = 1e-5  # torchvision, mindcv and detectron2 alike

Norm = Literal["frozen", "frozen_statistics", "batch"]
Activation = Literal["relu", "relu6", "none"]


class FrozenBatchNorm(nn.Cell):
    """Batch norm whose statistics never change, as a scale and a shift.

    Without `affine_trains` nothing of it trains (detectron2's FrozenBatchNorm2d), with it gamma and beta do
    (mmdetection's norm_eval). Its parameters have the names and shapes of `nn.BatchNorm2d`, so checkpoints serve both.
    """

    def __init__(self, *, channels: int, affine_trains: bool) -> None:
        super().__init__()
        self.affine_trains = affine_trains
        self.gamma = Parameter(ops.ones(channels), name="gamma", requires_grad=affine_trains)
        self.beta = Parameter(ops.zeros(channels), name="beta", requires_grad=affine_trains)
        self.moving_mean = Parameter(ops.zeros(channels), name="moving_mean", requires_grad=False)
        self.moving_variance = Parameter(ops.ones(channels), name="moving_variance", requires_grad=False)

    def construct(self) -> tuple[Tensor, Tensor]:
        """Scale [C] and shift [C]; constants to the gradient unless the affine trains."""
        scale = self.gamma * ops.rsqrt(self.moving_variance + NORM_EPS)
        shift = self.beta - self.moving_mean * scale
        if self.affine_trains:
            return scale, shift
        return ops.stop_gradient(scale), ops.stop_gradient(shift)


class ConvNorm(nn.Cell):
    """Convolution without bias, batch norm, activation: [B,in,H,W] -> [B,out,H/stride,W/stride].

    padding is symmetric, kernel_size // 2, unless (top, bottom, left, right) is given. A frozen norm is folded into the
    convolution's weight and bias inside the graph, which saves a pass over the activations: forward and backward of a
    1x1 convolution 64 -> 256 at 200x336 take 0.15 s, with ops.BatchNorm 0.17 s, with a broadcast multiply and add
    0.21 s; all of ResNet-50 gains 3 to 5 % (CPU, two cores).
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
        self.frozen = norm != "batch"
        self.norm = _batch_norm(norm, out_channels)
        self.convolve = ops.Conv2D(out_channels, kernel_size, pad_mode="pad", pad=pad, stride=stride, group=groups)
        self.bias_add = ops.BiasAdd()
        self.stride, self.padding = stride, pad
        self.depthwise_3x3 = kernel_size == 3 and groups == in_channels == out_channels
        plain = self.frozen and (groups, padding) == (1, None)
        self.plain_3x3 = plain and (kernel_size, stride) == (3, 1)
        self.halving_3x3 = plain and (kernel_size, stride) == (3, 2)
        self.plain_1x1 = plain and (kernel_size, stride) == (1, 1)
        self.relu_inside = (self.plain_3x3 or self.plain_1x1) and activation == "relu"
        self.activation = _activation("none" if self.relu_inside else activation)

    def construct(self, x: Tensor) -> Tensor:
        if not self.frozen:
            return self.activation(self.norm(self.convolved(x, self.conv.weight)))
        weight, scale, shift = self.folded()
        if self.plain_3x3:
            return self.activation(conv3x3(x, weight, shift, scale=scale, relu=self.relu_inside))
        if self.plain_1x1:
            return self.activation(conv1x1(x, weight, shift, scale=scale, relu=self.relu_inside))
        if self.halving_3x3:
            return self.activation(conv3x3_stride2(x, weight, shift, scale=scale))
        weight = scale_rows(weight, scale)
        return self.activation(self.bias_add(self.convolved(x, weight), shift))

    def convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        """Without norm and activation."""
        if self.depthwise_3x3:
            return depthwise3x3(x, weight, stride=self.stride, padding=self.padding)
        return self.convolve(x, weight)

    def add_relu(self, x: Tensor, summand: Tensor) -> Tensor:
        """ReLU of this layer's output, which has no activation of its own, and a summand of its shape."""
        if self.plain_1x1:
            weight, scale, shift = self.folded()
            return conv1x1_add_relu(x, weight, shift, summand, scale=scale)
        return ops.relu(self.construct(x) + summand)

    def folded(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weight, scale and shift of a frozen layer. Where the scale trains, the weight carries it."""
        scale, shift = self.norm()
        if not self.norm.affine_trains:
            return self.conv.weight, scale, shift
        return scale_rows(self.conv.weight, scale), ops.ones_like(scale), shift


def _batch_norm(norm: Norm, channels: int) -> nn.Cell:
    if norm == "batch":
        return nn.BatchNorm2d(channels, NORM_EPS)
    return FrozenBatchNorm(channels=channels, affine_trains=norm == "frozen_statistics")


def _activation(name: Activation) -> nn.Cell:
    return {"relu": nn.ReLU, "relu6": nn.ReLU6, "none": nn.Identity}[name]()
