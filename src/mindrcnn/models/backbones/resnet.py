"""ResNet-50 and ResNet-101 (https://arxiv.org/abs/1512.03385), compatible with torchvision, mindcv and detectron2."""

from typing import Literal

from mindspore import Tensor, nn

from mindrcnn.models.backbones.base import STEM_STAGE, StagedBackbone, stage_norm
from mindrcnn.models.layers import ConvNorm, Norm
from mindrcnn.ops.stem import frozen_stem, halving_max_pool

StrideIn = Literal["3x3", "1x1"]

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}  # bottlenecks per stage, table 1 of the paper
STEM_CHANNELS = 64
EXPANSION = 4  # a bottleneck's output channels over its width
OUT_CHANNELS = (256, 512, 1024, 2048)


class ResNet(StagedBackbone):
    """ResNet trunk of bottleneck blocks: images (B, 3, H, W) float32 -> (C2, C3, C4, C5); H, W multiples of 32.

    stride_in: the convolution that halves the map in the first block of a stage: "3x3" is pytorch style (torchvision,
        mindcv), "1x1" caffe style (detectron2's R-50.pkl).
    frozen_stages: counted from the stem, see StagedBackbone.
    """

    def __init__(self, *, depth: Literal[50, 101], stride_in: StrideIn, norm: Norm, frozen_stages: int) -> None:
        in_channels = STEM_CHANNELS
        stages = []
        for stage, (blocks, out_channels) in enumerate(zip(BLOCKS[depth], OUT_CHANNELS, strict=True), start=2):
            chosen = stage_norm(stage, norm=norm, frozen_stages=frozen_stages)
            first = Bottleneck(
                in_channels=in_channels,
                out_channels=out_channels,
                stride=1 if stage == 2 else 2,
                stride_in=stride_in,
                norm=chosen,
            )
            rest = [
                Bottleneck(
                    in_channels=out_channels, out_channels=out_channels, stride=1, stride_in=stride_in, norm=chosen
                )
                for _ in range(blocks - 1)
            ]
            stages.append(nn.SequentialCell(first, *rest))
            in_channels = out_channels
        stage2, stage3, stage4, stage5 = stages
        super().__init__(
            stem=Stem(
                norm=stage_norm(STEM_STAGE, norm=norm, frozen_stages=frozen_stages),
                trains=frozen_stages < STEM_STAGE,
            ),
            stages=(stage2, stage3, stage4, stage5),
            out_channels=OUT_CHANNELS,
            frozen_stages=frozen_stages,
        )


class Stem(nn.Cell):
    """A 7x7 convolution and 3x3 max pooling, each of stride 2: (B, 3, H, W) -> (B, 64, H/4, W/4).

    A stem that does not train has no gradient.
    """

    def __init__(self, *, norm: Norm, trains: bool) -> None:
        super().__init__()
        self.frozen = not trains and norm == "frozen"
        self.conv1 = ConvNorm(
            in_channels=3, out_channels=STEM_CHANNELS, kernel_size=7, stride=2, norm=norm, activation="relu"
        )

    def construct(self, images: Tensor) -> Tensor:
        if self.frozen:
            weight, scale, shift = self.conv1.folded()
            return frozen_stem(images, weight, shift, scale=scale)
        return halving_max_pool(self.conv1(images))


class Bottleneck(nn.Cell):
    """1x1, 3x3 and 1x1 convolutions with an identity or 1x1 shortcut: (B, in, H, W) -> (B, out, H/stride, W/stride)."""

    def __init__(self, *, in_channels: int, out_channels: int, stride: int, stride_in: StrideIn, norm: Norm) -> None:
        super().__init__()
        width = out_channels // EXPANSION
        stride_1x1, stride_3x3 = (stride, 1) if stride_in == "1x1" else (1, stride)
        self.conv1 = ConvNorm(
            in_channels=in_channels, out_channels=width, kernel_size=1, stride=stride_1x1, norm=norm, activation="relu"
        )
        self.conv2 = ConvNorm(
            in_channels=width, out_channels=width, kernel_size=3, stride=stride_3x3, norm=norm, activation="relu"
        )
        self.conv3 = ConvNorm(in_channels=width, out_channels=out_channels, kernel_size=1, norm=norm, activation="none")
        self.shortcut = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = ConvNorm(
                in_channels=in_channels,
                out_channels=out_channels,
                kernel_size=1,
                stride=stride,
                norm=norm,
                activation="none",
            )

    def construct(self, x: Tensor) -> Tensor:
        return self.conv3.add_relu(self.conv2(self.conv1(x)), self.shortcut(x))
