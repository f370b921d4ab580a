"""The mask-target kernel as a MindSpore operator. It has no gradient, which MindSpore must be told at its inputs."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library

Shape = tuple[int, ...]


class _CropMasks(ops.Custom):
    """Operator that returns targets (B, S, side, side) float32.

    gt_masks: (B, G, R, R) uint8.
    gt_boxes: (B, G, 4) float32.
    matched_gt: (B, S) int32.
    boxes: (B, S, 4) float32.
    """

    def __init__(self, side: int) -> None:
        def out_shape(gt_masks: Shape, gt_boxes: Shape, matched_gt: Shape, boxes: Shape) -> Shape:
            return boxes[0], boxes[1], side, side

        super().__init__(f"{library()}:crop_masks", out_shape, ms.float32, "aot")
        self.add_prim_attr("side", side)  # see _RoiAlign in roi_align.py


def native_crop_masks(gt_masks: Tensor, gt_boxes: Tensor, matched_gt: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Computes ops.mask_targets.crop_masks; same arguments."""
    gt_masks, gt_boxes = ops.stop_gradient(gt_masks), ops.stop_gradient(gt_boxes)
    matched_gt, boxes = ops.stop_gradient(matched_gt.astype(ms.int32)), ops.stop_gradient(boxes)
    return _CropMasks(side)(gt_masks, gt_boxes, matched_gt, boxes)
