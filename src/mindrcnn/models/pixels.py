"""From stored pixels to network input."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops


class PixelNormalizer(nn.Cell):
    """Subtracts the mean and divides by the standard deviation, and keeps the padding at exactly zero.

    Padding must be zero after normalisation, as in detectron2 and torchvision: a zero pixel would turn into -mean/std.
    """

    def __init__(self, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.shift = Tensor(-np.asarray(mean, np.float32))
        self.scale = Tensor((1.0 / np.asarray(std, np.float32)).reshape(1, -1, 1))
        self.add = ops.BiasAdd()
        self.outer = ops.BatchMatMul()

    def construct(self, images: Tensor, image_sizes: Tensor) -> Tensor:
        """images B,3,H,W uint8 or float32, 0..255; image_sizes B,2 int32 valid (h, w). Returns B,3,H,W float32."""
        batch, channels, height, width = images.shape
        rows = (ops.arange(height).reshape(1, 1, -1) < image_sizes[:, 0].reshape(-1, 1, 1)).astype(ms.float32)
        columns = (ops.arange(width).reshape(1, 1, -1) < image_sizes[:, 1].reshape(-1, 1, 1)).astype(ms.float32)
        # The scale within the image and 0 outside, as a product: on a CPU, operators that broadcast keep two index
        # lists of eight bytes for each value.
        scale = self.outer((self.scale * rows).reshape(batch, -1, 1), columns).reshape(batch, channels, height, width)
        return self.add(images.astype(ms.float32), self.shift) * scale
