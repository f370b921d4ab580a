from dataclasses import dataclass
from itertools import pairwise
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
        self.out_channels = tuple(config.width * factor for factor in (1, 2, 4, 8))
        widths = (3, config.width, *self.out_channels)
        layers = [
            ConvNorm(in_channels=a, out_channels=b, kernel_size=3, stride=2, norm="batch", activation="relu")
            for a, b in pairwise(widths)
        ]
        self.layers = nn.CellList(layers)

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        c2 = self.layers[1](self.layers[0](images))
        c3 = self.layers[2](c2)
        c4 = self.layers[3](c3)
        return c2, c3, c4, self.layers[4](c4)
