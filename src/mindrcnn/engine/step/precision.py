"""Training in float16 where that is safe."""

import mindspore as ms
from mindspore import Tensor, nn


def in_float16(network: nn.Cell) -> nn.Cell:
    """The network with its convolutions and matrix products in float16, and with float32 losses.

    MindSpore's automatic mixed precision of level "auto": exponentials, logarithms, softmax and norms are computed in
    float32, and so is arithmetic between both types, which that on boxes is. Parameters and their gradients stay
    float32. Level "O2" would put boxes in float16 as well, which counts in whole pixels from 1024 on.
    """
    return _Float32Losses(network=ms.amp.auto_mixed_precision(network, "auto", ms.float16))


class _Float32Losses(nn.Cell):
    def __init__(self, *, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, *batch: Tensor) -> tuple[Tensor, ...]:
        losses: tuple[Tensor, ...] = ()
        for loss in self.network(*batch):
            losses += (loss.astype(ms.float32),)
        return losses
