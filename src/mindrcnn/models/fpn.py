"""Feature pyramid network (https://arxiv.org/abs/1612.03144)."""

from mindspore import Tensor, nn

from mindrcnn.models.layers import conv, xavier_fill
from mindrcnn.ops.conv import add_upsampled, conv1x1, conv3x3


class FPN(nn.Cell):
    """Top-down pyramid: (C2, C3, C4, C5) -> (P2, P3, P4, P5, P6), each (B, out_channels, H_l, W_l) float32.

    The sides of each map must be twice those of the next, which holds for inputs whose sides are multiples of 32. P6 is
    every second pixel of P5, as in detectron2 and torchvision. Convolutions have a bias, no norm and no activation.
    """

    def __init__(self, *, in_channels: tuple[int, int, int, int], out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.laterals = nn.CellList(
            [conv(channels, out_channels, kernel_size=1, weight_init=xavier_fill()) for channels in in_channels]
        )
        self.outputs = nn.CellList(
            [conv(out_channels, out_channels, kernel_size=3, weight_init=xavier_fill()) for _ in in_channels]
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
        m5 = conv1x1(c5, lateral5.weight, lateral5.bias)
        m4 = add_upsampled(conv1x1(c4, lateral4.weight, lateral4.bias), m5)
        m3 = add_upsampled(conv1x1(c3, lateral3.weight, lateral3.bias), m4)
        m2 = add_upsampled(conv1x1(c2, lateral2.weight, lateral2.bias), m3)
        p2 = conv3x3(m2, output2.weight, output2.bias)
        p3 = conv3x3(m3, output3.weight, output3.bias)
        p4 = conv3x3(m4, output4.weight, output4.bias)
        p5 = conv3x3(m5, output5.weight, output5.bias)
        return p2, p3, p4, p5, self.every_second(p5)
