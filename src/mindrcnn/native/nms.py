"""The NMS kernels as MindSpore operators. They have no gradient, which MindSpore must be told at their inputs."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library
from mindrcnn.native.settings import as_settings

Shape = tuple[int, ...]


class _Nms(ops.Custom):
    """Operator that returns keep (R, N) bool.

    boxes: (R, N, 4) float32.
    scores: (R, N) float32.
    valid: (R, N) bool.
    settings: (1,) float32, the IoU threshold.
    """

    def __init__(self) -> None:
        def out_shape(boxes: Shape, scores: Shape, valid: Shape, settings: Shape) -> Shape:
            return valid

        super().__init__(f"{library()}:nms", out_shape, ms.bool_, "aot")


class _NmsPerClass(ops.Custom):
    """Operator like _Nms, with labels (R, N) int32 after the scores."""

    def __init__(self) -> None:
        def out_shape(boxes: Shape, scores: Shape, labels: Shape, valid: Shape, settings: Shape) -> Shape:
            return valid

        super().__init__(f"{library()}:nms_per_class", out_shape, ms.bool_, "aot")


def native_nms(boxes: Tensor, scores: Tensor, valid: Tensor, iou_thresh: float) -> Tensor:
    """Computes ops.nms.nms."""
    boxes, scores, valid = ops.stop_gradient(boxes), ops.stop_gradient(scores), ops.stop_gradient(valid)
    return _Nms()(boxes, scores, valid, as_settings((iou_thresh,)))


def native_nms_per_class(boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor, iou_thresh: float) -> Tensor:
    """Computes ops.nms.nms_per_class by comparing labels, so boxes need not be moved apart."""
    boxes, scores, valid = ops.stop_gradient(boxes), ops.stop_gradient(scores), ops.stop_gradient(valid)
    labels = ops.stop_gradient(labels)
    return _NmsPerClass()(boxes, scores, labels, valid, as_settings((iou_thresh,)))
