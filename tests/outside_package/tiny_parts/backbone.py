from dataclasses import dataclass
from typing import Literal

from mindspore import Tensor, nn

from mindrcnn.config.schema import key
from mindrcnn.models.layers import ConvNorm


@dataclass(frozen=True)
class TinyNetConfig:
    name: Literal["tiny_net"] = key("tiny_net", "Architecture.")
    width: int = key(16, "Channels of C2; each level above has twice as many.", low=1)


class TinyNet(nn.Cell):
    strides = (4, 8, 16, 32)

    def __init__(self, config: TinyNetConfig) -> None:
        super().__init__()
        self.out_channels = c2, c3, c4, c5 = tuple(config.width * factor for factor in (1, 2, 4, 8))
        self.stem = nn.SequentialCell(halving(3, c2), halving(c2, c2))
        self.stage3, self.stage4, self.stage5 = halving(c2, c3), halving(c3, c4), halving(c4, c5)

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        c2 = self.stem(images)
        c3 = self.stage3(c2)
        c4 = self.stage4(c3)
        return c2, c3, c4, self.stage5(c4)


def halving(channels: int, width: int) -> ConvNorm:
    return ConvNorm(in_channels=channels, out_channels=width, kernel_size=3, stride=2, norm="batch", activation="relu")
