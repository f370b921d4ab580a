"""The assignment kernel as a MindSpore operator. It has no gradient, which MindSpore wants to be told at its inputs."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library

LOW_QUALITY = ("off", "keep", "overwrite")  # in the order of LowQuality in assign.h

Shape = tuple[int, ...]


class _Assign(ops.Custom):
    """Call with boxes [N, 4] or [B, N, 4], gt_boxes [B, G, 4], gt_valid and gt_crowd [B, G] and settings; returns
    matched_gt and state, [B, N] int32 each.

    settings [5] float32: thresholds of foreground and background, index into LOW_QUALITY, its least IoU, and the share
    inside a crowd from which a candidate is left out.
    """

    def __init__(self) -> None:
        def out_shape(boxes: Shape, gt_boxes: Shape, gt_valid: Shape, gt_crowd: Shape, settings: Shape) -> tuple:
            shape = (gt_valid[0], boxes[-2])
            return shape, shape

        super().__init__(f"{library()}:assign", out_shape, (ms.int32, ms.int32), "aot")


@ms.constexpr
def _settings(
    fg_thresh: float, bg_thresh: float, low_quality: str, low_quality_min_iou: float, crowd_overlap: float
) -> Tensor:
    low_quality_index = LOW_QUALITY.index(low_quality)
    return Tensor((fg_thresh, bg_thresh, low_quality_index, low_quality_min_iou, crowd_overlap), ms.float32)


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
    """ops.assignment.assign, without the matrix of all objects and candidates."""
    settings = _settings(fg_thresh, bg_thresh, low_quality, low_quality_min_iou, crowd_overlap)
    boxes, gt_boxes = ops.stop_gradient(boxes), ops.stop_gradient(gt_boxes)
    gt_valid, gt_crowd = ops.stop_gradient(gt_valid), ops.stop_gradient(gt_crowd)
    matched_gt, state = _Assign()(boxes, gt_boxes, gt_valid, gt_crowd, settings)
    return matched_gt, state
