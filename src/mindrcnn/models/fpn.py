"""Feature pyramid network (https://arxiv.org/abs/1612.03144)."""

from mindspore import Tensor, nn

from mindrcnn.models.layers import ConvNorm, HeadNorm, conv, xavier_fill
from mindrcnn.ops.conv import add_upsampled, conv1x1, conv3x3


class PyramidConv(nn.Conv2d):
    """A 1x1 or 3x3 convolution with a bias, computed by the package's own functions."""

    def construct(self, x: Tensor) -> Tensor:
        """Returns the convolution of x (B, C, H, W)."""
        if self.kernel_size == (1, 1):
            return conv1x1(x, self.weight, self.bias)
        return conv3x3(x, self.weight, self.bias)


class FPN(nn.Cell):
    """Top-down pyramid: (C2, C3, C4, C5) -> (P2, P3, P4, P5, P6), each (B, out_channels, H_l, W_l) float32.

    The sides of each map must be twice those of the next, which holds for inputs whose sides are multiples of 32. P6 is
    every second pixel of P5, as in detectron2 and torchvision. No layer has an activation.

    norm: none, with which convolutions have a bias, or what stands in its place.
    """

    def __init__(self, *, in_channels: tuple[int, int, int, int], out_channels: int, norm: HeadNorm = "none") -> None:
        super().__init__()
        self.out_channels = out_channels
        self.laterals = nn.CellList(
            [pyramid_layer(channels, out_channels, kernel_size=1, norm=norm) for channels in in_channels]
        )
        self.outputs = nn.CellList(
            [pyramid_layer(out_channels, out_channels, kernel_size=3, norm=norm) for _ in in_channels]
        )
        # Pooling, because the gradient of the slice [::2, ::2] fails in PyNative mode on the CPU (MindSpore 2.8:
        # "StridedSliceGrad: input memory out of bounds").
        self.every_second = nn.MaxPool2d(kernel_size=1, stride=2)

    def construct(
        self, features: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        c2, c3, c4, c5 = features
        lateral2, lateral3, lateral4, lateral5 = self.laterals
        output2, output3, output4, output5 = self.outputs
        m5 = lateral5(c5)
        m4 = add_upsampled(lateral4(c4), m5)
        m3 = add_upsampled(lateral3(c3), m4)
        m2 = add_upsampled(lateral2(c2), m3)
        p5 = output5(m5)
        return output2(m2), output3(m3), output4(m4), p5, self.every_second(p5)


def pyramid_layer(in_channels: int, out_channels: int, *, kernel_size: int, norm: HeadNorm) -> nn.Cell:
    """Returns a convolution of the pyramid with a bias, or with a norm."""
    if norm == "none":
        return conv(in_channels, out_channels, kernel_size=kernel_size, weight_init=xavier_fill(), cell=PyramidConv)
    return ConvNorm(
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=kernel_size,
        norm=norm,
        activation="none",
        weight_init=xavier_fill(),
    )
