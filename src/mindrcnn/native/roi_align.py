"""The ROIAlign kernels as MindSpore operators."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library

Shape = tuple[int, ...]


class _RoiAlign(ops.Custom):
    """Call with features P2..P5 [B, C, H, W], boxes [B, S, 4], valid [B, S] and settings; returns [B * S, C,
    resolution, resolution]. The gradient flows to the features.

    settings [10] float32: resolution, sampling ratio (0: adaptive), aligned (0 or 1), the four strides, and the three
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
        # PyNative mode keeps the shapes that it has inferred, for operators of equal attributes and input shapes.
        self.add_prim_attr("resolution", resolution)


class _RoiAlignGradient(ops.Custom):
    """Call with the pooled values' gradient, boxes, valid and settings; returns the features' gradients."""

    def __init__(self, shapes: tuple[Shape, Shape, Shape, Shape]) -> None:
        super().__init__(f"{library()}:roi_align_backward", shapes, (ms.float32,) * 4, "aot")
        self.add_prim_attr("shapes", shapes)  # the reason is above


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
    """ops.roi_align.roi_align."""
    settings = Tensor((resolution, sampling_ratio, int(aligned), *strides, *level_edges), ms.float32)
    p2, p3, p4, p5 = features
    # In PyNative mode MindSpore adds up the gradients of what is used twice, even bools, and cannot.
    boxes, valid = ops.stop_gradient(boxes), ops.stop_gradient(valid)
    return _RoiAlign(resolution)(p2, p3, p4, p5, boxes, valid, settings)
