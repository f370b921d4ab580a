"""Greedy non-maximum suppression over padded rows of boxes.

Letters in shapes: R independent rows (an image, or a level of one), N boxes.
"""

from mindspore import Tensor, ops

from mindrcnn.native.nms import native_nms, native_nms_per_class
from mindrcnn.native.switch import in_use
from mindrcnn.ops.arange import arange


def nms(boxes: Tensor, scores: Tensor, valid: Tensor, iou_thresh: float) -> Tensor:
    """Returns keep (R, N) bool: each kept box drops the later boxes of its row that overlap it by more than iou_thresh.

    Invalid boxes, and boxes whose score is not finite, are not kept and do not drop others.

    boxes: (R, N, 4) float32, input pixels.
    scores: (R, N) float32, descending.
    valid: (R, N) bool.
    """
    if in_use():
        return native_nms(boxes, scores, valid, iou_thresh)
    valid = ops.logical_and(valid, ops.isfinite(scores))
    rows, length = valid.shape
    boxes = _without_area(boxes, valid)
    # NMSWithMask sorts by score and returns no order. Strictly descending keys preserve the input order through ties.
    keys = (length - arange(length)).astype(boxes.dtype).expand_dims(1)
    suppress = ops.NMSWithMask(iou_thresh)
    kept = []
    for row in range(rows):
        _, _, selected = suppress(ops.concat((boxes[row], keys), axis=1))
        kept.append(selected)
    return ops.logical_and(ops.stack(kept), valid)


def nms_per_class(boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor, iou_thresh: float) -> Tensor:
    """Returns keep (R, N) bool as nms() does, but only boxes with the same label drop each other.

    boxes: (R, N, 4) float32, input pixels.
    scores: (R, N) float32, descending.
    labels: (R, N) int32, from 0.
    valid: (R, N) bool.
    iou_thresh: overlap above which a box is dropped.
    """
    if in_use():
        return native_nms_per_class(boxes, scores, labels, valid, iou_thresh)
    return nms(_apart_by_label(boxes, labels, valid), scores, valid, iou_thresh)


def _apart_by_label(boxes: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    """Moves boxes so that no two of different labels touch: each label gets one cell of a square grid.

    On one line, as torchvision lays them out, 80 classes of a 1344 pixel image reach coordinates beyond 100,000, where
    float32 resolves 1/128 pixel; in a square grid they stay below 13,000, where it resolves 1/1024.
    """
    boxes = _without_area(boxes, valid)
    label = labels.astype(boxes.dtype) * valid.astype(boxes.dtype)
    cell = ops.amax(boxes) - ops.amin(boxes) + 1
    side = ops.ceil(ops.sqrt(ops.amax(label) + 1))
    row = ops.floor(label / side)
    shift = ops.stack((label - row * side, row), axis=-1) * cell
    return boxes + ops.concat((shift, shift), axis=-1)


def _without_area(boxes: Tensor, valid: Tensor) -> Tensor:
    """Turns invalid boxes, whatever they hold, into points, which overlap nothing."""
    return ops.where(valid.expand_dims(2), boxes, 0.0)
