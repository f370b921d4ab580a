"""Mixed precision: convolutions and matrix products in float16, all else in float32."""

import mindspore as ms
from mindspore import Tensor, nn


def use_float16(network: nn.Cell) -> nn.Cell:
    """Returns the network with its convolutions and matrix products in float16, and with float32 results.

    This is MindSpore's automatic mixed precision of level "auto". Exponentials, logarithms, softmax and norms stay
    float32, and so does mixed-type arithmetic, box arithmetic included. Parameters and their gradients stay float32.
    Level "O2" would put boxes in float16 as well, whose resolution is a whole pixel from 1024 on.
    """
    return _Float32Results(network=ms.amp.auto_mixed_precision(network, "auto", ms.float16))


class _Float32Results(nn.Cell):
    def __init__(self, *, network: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        results: tuple[Tensor, ...] = ()
        for result in self.network(*inputs):
            results += (result.astype(ms.float32) if result.dtype == ms.float16 else result,)
        return results
