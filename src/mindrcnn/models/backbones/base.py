"""The common base of all backbones: a stem, four stages, and stages that do not train.

C2..C5 are the outputs of the stages at strides 4, 8, 16, 32, as in the FPN paper (https://arxiv.org/abs/1612.03144).
"""

from mindspore import Tensor, nn, ops

from mindrcnn.models.layers import Norm

STRIDES = (4, 8, 16, 32)
STEM_STAGE = 1  # the stem counts as stage 1; stages 2..5 end in C2..C5


def stage_norm(stage: int, *, norm: Norm, frozen_stages: int) -> Norm:
    """Returns the norm of a stage; batch norm keeps its stored statistics in one that does not train.

    Group norm has no statistics to keep.
    """
    return "frozen" if stage <= frozen_stages and norm != "group" else norm


class StagedBackbone(nn.Cell):
    """A trunk in stages: images (B, 3, H, W) -> (C2, C3, C4, C5), H and W multiples of 32.

    The first frozen_stages of (stem, stage2, .., stage5) do not train: their parameters do not require a gradient, and
    the gradient computation stops after the last of them.

    Attributes:
        out_channels: channels of C2..C5.
        strides: strides of C2..C5.
    """

    def __init__(
        self,
        *,
        stem: nn.Cell,
        stages: tuple[nn.Cell, nn.Cell, nn.Cell, nn.Cell],
        out_channels: tuple[int, int, int, int],
        frozen_stages: int,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.strides = STRIDES
        self.frozen_stages = frozen_stages
        self.stem = stem
        self.stage2, self.stage3, self.stage4, self.stage5 = stages
        for frozen in (stem, *stages)[:frozen_stages]:
            for parameter in frozen.get_parameters():
                parameter.requires_grad = False

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        c1 = self.end_of_stage(self.stem(images), STEM_STAGE)
        c2 = self.end_of_stage(self.stage2(c1), 2)
        c3 = self.end_of_stage(self.stage3(c2), 3)
        c4 = self.end_of_stage(self.stage4(c3), 4)
        c5 = self.end_of_stage(self.stage5(c4), 5)
        return c2, c3, c4, c5

    def end_of_stage(self, x: Tensor, stage: int) -> Tensor:
        """Returns x, without gradient after the last frozen stage."""
        return ops.stop_gradient(x) if stage == self.frozen_stages else x
