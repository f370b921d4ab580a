"""The assignment kernel as a MindSpore operator. It has no gradient, which MindSpore must be told at its inputs."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library
from mindrcnn.native.settings import as_settings

LOW_QUALITY = {"off": 0, "keep": 1, "overwrite": 2}  # LowQuality in assign.h

Shape = tuple[int, ...]


class _Assign(ops.Custom):
    """Operator that returns matched_gt and state, each (B, N) int32.

    boxes: (N, 4) or (B, N, 4) float32.
    gt_boxes: (B, G, 4) float32.
    gt_valid, gt_crowd: (B, G) bool.
    settings: (5,) float32: foreground threshold, background threshold, value of LOW_QUALITY, low_quality_min_iou, and
        the share inside a crowd from which a candidate is ignored.
    """

    def __init__(self) -> None:
        def out_shape(boxes: Shape, gt_boxes: Shape, gt_valid: Shape, gt_crowd: Shape, settings: Shape) -> tuple:
            shape = (gt_valid[0], boxes[-2])
            return shape, shape

        super().__init__(f"{library()}:assign", out_shape, (ms.int32, ms.int32), "aot")


def native_assign(
    boxes: Tensor,
    gt_boxes: Tensor,
    gt_valid: Tensor,
    gt_crowd: Tensor,
    *,
    fg_thresh: float,
    bg_thresh: float,
    low_quality: str,
    low_quality_min_iou: float,
    crowd_overlap: float,
) -> tuple[Tensor, Tensor]:
    """Computes ops.assignment.assign without the matrix of all objects and candidates.

    crowd_overlap: share of a negative's area inside a crowd from which it is ignored. The other arguments are those of
        assign.
    """
    settings = as_settings((fg_thresh, bg_thresh, LOW_QUALITY[low_quality], low_quality_min_iou, crowd_overlap))
    boxes, gt_boxes = ops.stop_gradient(boxes), ops.stop_gradient(gt_boxes)
    gt_valid, gt_crowd = ops.stop_gradient(gt_valid), ops.stop_gradient(gt_crowd)
    matched_gt, state = _Assign()(boxes, gt_boxes, gt_valid, gt_crowd, settings)
    return matched_gt, state
