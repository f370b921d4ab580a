"""Mask targets of samples, cropped from box-relative masks.

Letters in shapes: B images, G ground-truth slots, S samples, R side of the stored masks.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.mask_targets import native_crop_masks
from mindrcnn.native.switch import in_use
from mindrcnn.ops.arange import arange
from mindrcnn.ops.gather import take_rows


def crop_masks(gt_masks: Tensor, gt_boxes: Tensor, matched_gt: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Returns the matched object's mask inside each sample's box, (B, S, side, side) float32 0/1, row first.

    A target is the stored mask read bilinearly at the bin centres, thresholded at 0.5, and 0 outside the object's box.
    One sample per bin comes closer to detectron2's rasterised polygons than a mean of several
    (benchmarks/mask_targets.py). No gradient.

    gt_masks: (B, G, R, R) uint8 0/1, in the frame of gt_boxes: cell j covers j/R..(j+1)/R of the box.
    gt_boxes: (B, G, 4) float32, input pixels.
    matched_gt: (B, S) int32.
    boxes: (B, S, 4) float32, input pixels.
    side: side of the targets.
    """
    if in_use():
        return native_crop_masks(gt_masks, gt_boxes, matched_gt, boxes, side)
    images, objects, stored = gt_masks.shape[:3]
    gt = take_rows(gt_boxes, matched_gt)
    x_first, x_second, x_weight, x_inside = _axis_samples(boxes[..., 0::2], gt[..., 0::2], side, stored)
    y_first, y_second, y_weight, y_inside = _axis_samples(boxes[..., 1::2], gt[..., 1::2], side, stored)
    image_offset = (arange(images) * objects).expand_dims(1)
    mask_offset = ((matched_gt + image_offset) * stored).expand_dims(2)
    cells = gt_masks.reshape((-1,)).astype(ms.float32)
    rows = []
    for y in (y_first, y_second):
        row = ((y + mask_offset) * stored).expand_dims(3)
        left = ops.gather(cells, row + x_first.expand_dims(2), 0)
        right = ops.gather(cells, row + x_second.expand_dims(2), 0)
        rows.append(left + (right - left) * x_weight.expand_dims(2))
    upper, lower = rows
    value = upper + (lower - upper) * y_weight.expand_dims(3)
    inside = y_inside.expand_dims(3) * x_inside.expand_dims(2)
    return ops.stop_gradient((value * inside >= 0.5).astype(ms.float32))


def _axis_samples(spans: Tensor, gt_spans: Tensor, side: int, stored: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns where the bin centres of samples fall in their objects' masks along one axis.

    Four tensors (B, S, side): the two neighbouring cells, the weight of the second, and 1.0 inside the object's box.
    spans and gt_spans: (B, S, 2), low to high.
    """
    low, high = spans[..., 0], spans[..., 1]
    gt_low, gt_high = gt_spans[..., 0], gt_spans[..., 1]
    centres = (arange(side).astype(ms.float32) + 0.5) / side
    point = low.expand_dims(2) + (high - low).expand_dims(2) * centres
    extent = (gt_high - gt_low).expand_dims(2)
    degenerate = (extent <= 0).astype(ms.float32)
    share = (point - gt_low.expand_dims(2)) / (extent + degenerate)
    inside = ops.logical_and(ops.logical_and(share >= 0, share <= 1), extent > 0).astype(ms.float32)
    cell = ops.clamp(share * stored - 0.5, 0.0, stored - 1.0)
    first = ops.floor(cell)
    second = ops.clamp(first + 1, max=stored - 1.0)
    return first.astype(ms.int32), second.astype(ms.int32), cell - first, inside
