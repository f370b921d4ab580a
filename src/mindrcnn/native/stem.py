"""The stem's kernel as a MindSpore operator."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library

Shape = tuple[int, ...]

CHANNEL_STEP = 8  # kStemOutputStep of stem.h


class _Stem(ops.Custom):
    """Operator from images (B, 3, H, W), weight, scale and bias to (B, K, H/4, W/4); it has no gradient."""

    def __init__(self) -> None:
        def out_shape(images: Shape, weight: Shape, scale: Shape, bias: Shape) -> Shape:
            return images[0], weight[0], images[2] // 4, images[3] // 4

        super().__init__(f"{library()}:stem_forward", out_shape, ms.float32, "aot")


def native_stem(images: Tensor, weight: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Computes ops.stem.frozen_stem."""
    images, weight = ops.stop_gradient(images), ops.stop_gradient(weight)
    return _Stem()(images, weight, ops.stop_gradient(scale), ops.stop_gradient(bias))
