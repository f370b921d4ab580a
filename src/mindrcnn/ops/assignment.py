"""Assignment of candidates to ground-truth objects: IoU, matching and crowd regions in one step.

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

CROWD_OVERLAP = 0.5  # share of a negative's area in a crowd from which it is ignored; mmdetection's ignore_iof_thr


def ignore_crowds(state: Tensor, boxes: Tensor, gt_boxes: Tensor, gt_crowd: Tensor) -> Tensor:
    """Returns the state with negatives that lie mostly inside a crowd region set to -1, so that they do not train.

    state: (B, N) int32, as ops.matcher returns it.
    boxes: (B, N, 4) float32.
    gt_boxes: (B, G, 4) float32.
    gt_crowd: (B, G) bool.
    """
    # Objects that are not crowds become boxes without area, which contain no share of anything.
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
    """Returns the best object of each candidate and whether the candidate is positive.

    Returns matched_gt (B, N) int32 and state (B, N) int32 as matcher.match does, with negatives that lie mostly inside
    a crowd region set to -1.

    boxes: (N, 4) float32 if all images share them, else (B, N, 4).
    gt_boxes: (B, G, 4) float32.
    gt_valid: (B, G) bool.
    gt_crowd: (B, G) bool.
    fg_thresh, bg_thresh, low_quality, low_quality_min_iou: see matcher.match.
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
        # one matrix for the objects of the whole batch
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
