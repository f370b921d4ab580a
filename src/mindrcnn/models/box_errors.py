"""Errors of predicted boxes, which the box loss sums over the positive samples."""

from mindspore import Tensor, nn, ops

from mindrcnn.ops.coder import CoderWeights, decode, encode
from mindrcnn.ops.losses import giou_loss, smooth_l1


class SmoothL1Error(nn.Cell):
    """Smooth L1 between predicted and true deltas, summed over the four."""

    def __init__(self, *, coder_weights: CoderWeights, beta: float) -> None:
        super().__init__()
        self.coder_weights = coder_weights
        self.beta = beta

    def construct(self, deltas: Tensor, references: Tensor, gt_boxes: Tensor) -> Tensor:
        """Returns the errors (B * S,) of deltas (B * S, 4), of references and gt_boxes (B, S, 4)."""
        targets = encode(gt_boxes, references, self.coder_weights).reshape(-1, 4)
        return smooth_l1(deltas, ops.stop_gradient(targets), self.beta).sum(axis=1)


class GIoUError(nn.Cell):
    """1 - GIoU of the decoded boxes (detectron2's BBOX_REG_LOSS_TYPE giou, mmdetection's reg_decoded_bbox)."""

    def __init__(self, *, coder_weights: CoderWeights) -> None:
        super().__init__()
        self.coder_weights = coder_weights

    def construct(self, deltas: Tensor, references: Tensor, gt_boxes: Tensor) -> Tensor:
        """Returns the errors as SmoothL1Error does."""
        boxes = decode(deltas, references.reshape(-1, 4), self.coder_weights)
        return giou_loss(boxes, gt_boxes.reshape(-1, 4))
