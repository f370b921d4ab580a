"""The ROIAlign kernels as MindSpore operators."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library
from mindrcnn.native.settings import as_settings

Shape = tuple[int, ...]


class _RoiAlign(ops.Custom):
    """Operator that returns (B * S, C, resolution, resolution); the gradient flows to the features.

    p2, p3, p4, p5: (B, C, H_l, W_l) float32.
    boxes: (B, S, 4) float32.
    valid: (B, S) bool.
    settings: (10,) float32: resolution, sampling ratio (0: adaptive), aligned (0 or 1), the four strides, and the three
        box areas at which a level ends.
    """

    def __init__(self, resolution: int) -> None:
        def out_shape(p2: Shape, p3: Shape, p4: Shape, p5: Shape, boxes: Shape, valid: Shape, settings: Shape) -> Shape:
            return boxes[0] * boxes[1], p2[1], resolution, resolution

        def bprop(p2, p3, p4, p5, boxes, valid, settings, out, dout):  # type: ignore[no-untyped-def]
            gradient = _RoiAlignGradient((p2.shape, p3.shape, p4.shape, p5.shape))
            features = gradient(dout, boxes, valid, settings)
            others = (ops.zeros_like(boxes), ops.zeros_like(valid), ops.zeros_like(settings))
            return features + others

        super().__init__(f"{library()}:roi_align_forward", out_shape, ms.float32, "aot", bprop)
        # PyNative mode reuses inferred output shapes for operators with equal attributes and input shapes.
        self.add_prim_attr("resolution", resolution)


class _RoiAlignGradient(ops.Custom):
    """Operator from the gradient of the pooled values, boxes, valid and settings to the features' gradients."""

    def __init__(self, shapes: tuple[Shape, Shape, Shape, Shape]) -> None:
        super().__init__(f"{library()}:roi_align_backward", shapes, (ms.float32,) * 4, "aot")
        self.add_prim_attr("shapes", shapes)  # see _RoiAlign


def native_roi_align(
    features: tuple[Tensor, ...],
    strides: tuple[int, ...],
    level_edges: tuple[float, ...],
    boxes: Tensor,
    valid: Tensor,
    *,
    resolution: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Computes ops.roi_align.roi_align.

    level_edges: the three box areas at which a level ends. The other arguments are those of roi_align.
    """
    settings = as_settings((resolution, sampling_ratio, aligned, *strides, *level_edges))
    p2, p3, p4, p5 = features
    # In PyNative mode MindSpore adds up the gradients of every input that is used twice, which fails for bools.
    boxes, valid = ops.stop_gradient(boxes), ops.stop_gradient(valid)
    return _RoiAlign(resolution)(p2, p3, p4, p5, boxes, valid, settings)
