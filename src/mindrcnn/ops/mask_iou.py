"""IoU of predicted masks with whole objects, including the part of an object outside the predicted box.

Letters in shapes: B images, G ground-truth slots, S samples, N = B * S, M side of a predicted mask, R side of the
stored masks.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.ops.arange import arange
from mindrcnn.ops.gather import take_rows

_LEAST_SHARE = 1e-10  # maskscoring_rcnn's lower bound for the share, which divides an area


def share_inside(gt_masks: Tensor, gt_boxes: Tensor, matched_gt: Tensor, boxes: Tensor) -> Tensor:
    """Returns the share of the matched object's area inside each sample's box, (B, S) float32 in 0..1.

    Cells that the box cuts count by the part inside, so the share is exact for the stored mask; it is 0 for an empty
    object. No gradient.

    gt_masks: (B, G, R, R) uint8 0/1, in the frame of gt_boxes.
    gt_boxes: (B, G, 4) float32, input pixels.
    matched_gt: (B, S) int32.
    boxes: (B, S, 4) float32, input pixels.
    """
    stored = gt_masks.shape[-1]
    masks = gt_masks.astype(ms.float32)
    gt = take_rows(gt_boxes, matched_gt)
    columns = _covered(boxes[..., 0::2], gt[..., 0::2], stored).reshape(-1, stored)
    rows = _covered(boxes[..., 1::2], gt[..., 1::2], stored).reshape(-1, 1, stored)
    inside = (ops.bmm(rows, take_rows(masks, matched_gt).reshape(-1, stored, stored))[:, 0] * columns).sum(axis=1)
    whole = take_rows(masks.sum(axis=(2, 3)), matched_gt)
    return ops.stop_gradient(inside.reshape(matched_gt.shape) / ops.clamp(whole, 1.0))


def _covered(spans: Tensor, gt_spans: Tensor, stored: int) -> Tensor:
    """Returns the part (B, S, R) of each mask cell, along one axis, between the ends of spans (B, S, 2)."""
    gt_low, gt_high = gt_spans[..., 0:1], gt_spans[..., 1:2]
    extent = gt_high - gt_low
    cells_per_pixel = stored / (extent + (extent <= 0).astype(ms.float32))
    low, high = (spans[..., 0:1] - gt_low) * cells_per_pixel, (spans[..., 1:2] - gt_low) * cells_per_pixel
    cell = arange(stored).astype(ms.float32)
    return ops.clamp(high - cell, 0.0, 1.0) - ops.clamp(low - cell, 0.0, 1.0)


def iou_with_whole(masks: Tensor, targets: Tensor, share: Tensor, area_eps: float) -> Tensor:
    """Returns the IoU (N,) float32 in 0..1 of masks with objects of which only a share lies inside the masks' frames.

    The area of the whole object in mask cells is the target's area / (share + area_eps), as in maskscoring_rcnn
    (area_eps 0) and mmdetection (1e-7). The IoU is 0 without overlap. No gradient.

    masks: (N, M, M) float32 0/1, predictions in the samples' boxes.
    targets: (N, M, M) float32 0/1, objects in the samples' boxes.
    share: (N,) float32, part of the object's area inside the box.
    """
    overlap = (masks * targets).sum(axis=(1, 2))
    whole = targets.sum(axis=(1, 2)) / (ops.clamp(share, _LEAST_SHARE) + area_eps)
    union = masks.sum(axis=(1, 2)) + whole - overlap
    return ops.stop_gradient(overlap / ops.clamp(union, 1.0))
