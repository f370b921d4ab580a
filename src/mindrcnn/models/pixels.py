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
        self.mean = Tensor(np.asarray(mean, np.float32).reshape(1, -1, 1, 1))
        self.scale = Tensor((1.0 / np.asarray(std, np.float32)).reshape(1, -1, 1, 1))

    def construct(self, images: Tensor, image_sizes: Tensor) -> Tensor:
        """images B,3,H,W uint8 or float32, 0..255; image_sizes B,2 int32 valid (h, w). Returns B,3,H,W float32."""
        height, width = images.shape[2:]
        rows = ops.arange(height).reshape(1, height, 1) < image_sizes[:, 0].reshape(-1, 1, 1)
        columns = ops.arange(width).reshape(1, 1, width) < image_sizes[:, 1].reshape(-1, 1, 1)
        inside = ops.logical_and(rows, columns).astype(ms.float32).expand_dims(1)
        return (images.astype(ms.float32) - self.mean) * self.scale * inside
