"""MobileNetV1 1.0 (https://arxiv.org/abs/1704.04861), as TensorFlow defines it: ReLU6 and TensorFlow's padding."""

from mindspore import Tensor, nn

from mindrcnn.models.backbones.base import STEM_STAGE, StagedBackbone, stage_norm
from mindrcnn.models.layers import ConvNorm, Norm, msra_normal_fan_in

STEM_CHANNELS = 32
# (output channels, stride) of the thirteen blocks, table 1 of the paper, grouped so that each group ends in C2..C5.
STAGES = (
    ((64, 1), (128, 2), (128, 1)),
    ((256, 2), (256, 1)),
    ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    ((1024, 2), (1024, 1)),
)
OUT_CHANNELS = (128, 256, 512, 1024)
# TensorFlow's 'SAME' padding (top, bottom, left, right) of a 3x3 convolution on a map of even sides. With symmetric
# padding at stride 2, weights trained in TensorFlow see everything shifted by one pixel at each of five layers.
PADDING = {1: (1, 1, 1, 1), 2: (0, 1, 0, 1)}


class MobileNetV1(StagedBackbone):
    """MobileNetV1 trunk: images (B, 3, H, W) float32 -> (C2, C3, C4, C5) with 128, 256, 512, 1024 channels.

    H and W must be multiples of 32. frozen_stages counts from the stem, see StagedBackbone.
    """

    def __init__(self, *, norm: Norm, frozen_stages: int) -> None:
        stem = ConvNorm(
            in_channels=3,
            out_channels=STEM_CHANNELS,
            kernel_size=3,
            stride=2,
            norm=stage_norm(STEM_STAGE, norm=norm, frozen_stages=frozen_stages),
            activation="relu6",
            padding=PADDING[2],
            weight_init=msra_normal_fan_in(),
        )
        in_channels = STEM_CHANNELS
        stages = []
        for stage, settings in enumerate(STAGES, start=2):
            chosen = stage_norm(stage, norm=norm, frozen_stages=frozen_stages)
            blocks = []
            for out_channels, stride in settings:
                blocks.append(
                    SeparableBlock(in_channels=in_channels, out_channels=out_channels, stride=stride, norm=chosen)
                )
                in_channels = out_channels
            stages.append(nn.SequentialCell(*blocks))
        stage2, stage3, stage4, stage5 = stages
        super().__init__(
            stem=stem,
            stages=(stage2, stage3, stage4, stage5),
            out_channels=OUT_CHANNELS,
            frozen_stages=frozen_stages,
        )


class SeparableBlock(nn.Cell):
    """3x3 depthwise and 1x1 pointwise convolution: (B, in, H, W) -> (B, out, H/stride, W/stride)."""

    def __init__(self, *, in_channels: int, out_channels: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.depthwise = ConvNorm(
            in_channels=in_channels,
            out_channels=in_channels,
            kernel_size=3,
            stride=stride,
            groups=in_channels,
            norm=norm,
            activation="relu6",
            padding=PADDING[stride],
            weight_init=msra_normal_fan_in(),
        )
        self.pointwise = ConvNorm(
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=1,
            norm=norm,
            activation="relu6",
            weight_init=msra_normal_fan_in(),
        )

    def construct(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))
