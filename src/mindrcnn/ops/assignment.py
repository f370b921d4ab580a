"""From boxes to the object and the role of each candidate: IoU, matching and crowd regions in one step.

Letters in shapes: B images, G ground-truth slots, N anchors or proposals.
"""

from typing import Literal

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.assignment import native_assign
from mindrcnn.native.switch import in_use
from mindrcnn.ops import boxes as box_ops
from mindrcnn.ops.boxes import pairwise_iou, pairwise_iou_batched
from mindrcnn.ops.matcher import match

CROWD_OVERLAP = 0.5  # share of a box's area inside a crowd from which it is left out; mmdetection's ignore_iof_thr


def ignore_crowds(state: Tensor, boxes: Tensor, gt_boxes: Tensor, gt_crowd: Tensor) -> Tensor:
    """Takes negatives that lie mostly inside a crowd region out of training.

    state B,N int32 as ops.matcher gives it; boxes B,N,4; gt_boxes B,G,4; gt_crowd B,G bool. Returns the state with such
    negatives at -1.
    """
    # Ordinary objects become boxes without area, which hold no share of anything.
    crowd_boxes = gt_boxes * gt_crowd.astype(ms.float32).expand_dims(2)
    in_crowd = box_ops.pairwise_ioa_batched(crowd_boxes, boxes).max(axis=1) >= CROWD_OVERLAP
    return ops.select(ops.logical_and(in_crowd, state == 0), ops.full_like(state, -1), state)


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
