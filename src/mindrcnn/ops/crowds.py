"""Crowd regions are neither object nor background."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops import boxes as box_ops

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
