"""From boxes to the object and the role of each candidate: IoU, matching and crowd regions in one step.

Letters in shapes: B images, G ground-truth slots, N anchors or proposals.
"""

from typing import Literal

from mindspore import Tensor, ops

from mindrcnn.native.assignment import native_assign
from mindrcnn.native.switch import in_use
from mindrcnn.ops.boxes import pairwise_iou, pairwise_iou_batched
from mindrcnn.ops.crowds import CROWD_OVERLAP, ignore_crowds
from mindrcnn.ops.matcher import match


def assign(
    boxes: Tensor,
    gt_boxes: Tensor,
    gt_valid: Tensor,
    gt_crowd: Tensor,
    *,
    fg_thresh: float,
    bg_thresh: float,
    low_quality: Literal["keep", "overwrite", "off"],
    low_quality_min_iou: float,
) -> tuple[Tensor, Tensor]:
    """The best object of each candidate, and whether the candidate is a positive.

    boxes [N, 4] where they are the same in all images, else [B, N, 4]; gt_boxes [B, G, 4]; gt_valid, gt_crowd [B, G]
    bool. Thresholds and low_quality as of matcher.match.

    Returns matched_gt [B, N] int32 and state [B, N] int32 as matcher.match, negatives mostly inside a crowd region
    being -1.
    """
    if in_use():
        return native_assign(
            boxes,
            gt_boxes,
            gt_valid,
            gt_crowd,
            fg_thresh=fg_thresh,
            bg_thresh=bg_thresh,
            low_quality=low_quality,
            low_quality_min_iou=low_quality_min_iou,
            crowd_overlap=CROWD_OVERLAP,
        )
    images, slots = gt_valid.shape
    if boxes.ndim == 2:
        # the objects of a whole batch form one matrix
        iou = pairwise_iou(gt_boxes.reshape((-1, 4)), boxes).reshape((images, slots, -1))
        boxes = ops.tile(boxes.expand_dims(0), (images, 1, 1))
    else:
        iou = pairwise_iou_batched(gt_boxes, boxes)
    matched_gt, state = match(
        iou,
        gt_valid,
        fg_thresh=fg_thresh,
        bg_thresh=bg_thresh,
        low_quality=low_quality,
        low_quality_min_iou=low_quality_min_iou,
    )
    return matched_gt, ignore_crowds(state, boxes, gt_boxes, gt_crowd)
