"""Assignment of anchors or proposals to ground-truth objects by IoU.

Letters in shapes: B images, G ground-truth slots, N anchors or proposals.
"""

from typing import Literal

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops.arange import arange

POSITIVE, NEGATIVE, IGNORED = 1, 0, -1

_NO_MATCH = 2.0  # subtracted from any IoU, this leaves a value below 0


def match(
    iou: Tensor,
    gt_valid: Tensor,
    *,
    fg_thresh: float,
    bg_thresh: float,
    low_quality: Literal["keep", "overwrite", "off"],
    low_quality_min_iou: float,
) -> tuple[Tensor, Tensor]:
    """Returns the best object of each candidate and whether the candidate is positive.

    By its best IoU over valid objects, a candidate is positive from fg_thresh up, negative below bg_thresh, else
    ignored; all are negative in an image without a valid object. The best candidates of an object (all that tie), if
    their IoU is above 0 and at least low_quality_min_iou, are treated according to low_quality:
      "keep"       they become positive for their own best object (detectron2's Matcher, torchvision);
      "overwrite"  they become positive for the object whose best they are, the last slot of several
                   (mmdetection's MaxIoUAssigner with gt_max_assign_all);
      "off"        they get no special treatment.

    Returns matched_gt (B, N) int32 (the first of equals, 0 without valid objects) and state (B, N) int32: 1 positive, 0
    negative, -1 ignored.

    iou: (B, G, N) float32.
    gt_valid: (B, G) bool; invalid slots never match.
    """
    best_iou, best_gt = ops.max(_lower(iou, ops.where(gt_valid, 0.0, _NO_MATCH)), axis=1)
    matched_gt = best_gt.astype(ms.int32) * (best_iou >= 0).astype(ms.int32)
    state = ops.where(best_iou >= fg_thresh, POSITIVE, IGNORED)
    state = ops.where(best_iou < bg_thresh, NEGATIVE, state).astype(ms.int32)
    if low_quality == "off":
        return matched_gt, state
    # `depend` as in boxes.py, so that the (B, G, N) tensors of one step are freed before the next
    excess = _excess_over_best(ops.depend(iou, best_iou), gt_valid, low_quality_min_iou)
    nearest, _ = ops.max(excess, axis=1)
    if low_quality == "overwrite":
        last_gt = _last_at_best(ops.depend(excess, nearest))
        matched_gt = ops.where(last_gt >= 0, last_gt, matched_gt)
    return matched_gt, ops.where(nearest >= 0, POSITIVE, state).astype(ms.int32)


def _lower(iou: Tensor, amount: Tensor) -> Tensor:
    """Returns iou (B, G, N) minus amount (B, G); a broadcasting Sub would make four scratch copies on the CPU."""
    return iou - ops.tile(amount.expand_dims(2), (1, 1, iou.shape[2]))


def _excess_over_best(iou: Tensor, gt_valid: Tensor, min_iou: float) -> Tensor:
    """Returns (B, G, N): exactly 0 at the best candidates of an object that takes low-quality matches, else below 0."""
    best_of_gt, _ = ops.max(iou, axis=2)
    takes = ops.logical_and(gt_valid, ops.logical_and(best_of_gt > 0, best_of_gt >= min_iou))
    return _lower(iou, ops.where(takes, best_of_gt, _NO_MATCH))


def _last_at_best(excess: Tensor) -> Tensor:
    """Returns the last object slot (B, N) int32 whose best candidate this is; -1 for none."""
    images, objects, candidates = excess.shape
    slots = (arange(objects) + 1).astype(ms.float32).reshape((1, objects, 1))
    slots = ops.tile(slots, (images, 1, candidates))
    last, _ = ops.max((excess >= 0).astype(ms.float32) * slots, axis=1)
    return last.astype(ms.int32) - 1
