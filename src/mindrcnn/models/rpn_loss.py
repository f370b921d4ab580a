"""RPN training: anchor assignment, sampling and losses (Ren et al., Faster R-CNN, 2015, section 3.1.2)."""

from typing import Literal

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindrcnn.models.proposals import RPN_CODER_WEIGHTS
from mindrcnn.models.sampling import CandidateSampler
from mindrcnn.ops.coder import encode
from mindrcnn.ops.gather import take_rows
from mindrcnn.ops.losses import SampleCount, at_least_one, bce_with_logits, smooth_l1


class AnchorSampler(nn.Cell):
    """Matches anchors with objects and samples those that train the RPN."""

    def __init__(self, *, candidates: CandidateSampler) -> None:
        super().__init__()
        self.candidates = candidates
        self.batch_size_per_image = candidates.batch_size_per_image

    def construct(
        self, anchors: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """anchors A,4; gt as in the batch; noise B,A in [0, 1). Returns what CandidateSampler does."""
        return self.candidates(anchors, ops.ones(noise.shape, ms.bool_), gt_boxes, gt_valid, gt_crowd, noise)


class RPNLoss(nn.Cell):
    """Binary cross entropy over sampled anchors, smooth L1 over the positive ones."""

    def __init__(
        self,
        *,
        sampler: AnchorSampler,
        normalizer: Literal["batch_size", "sampled"],
        smooth_l1_beta: float,
        class_weight: float,
        box_weight: float,
        sample_count: SampleCount = at_least_one,
    ) -> None:
        super().__init__()
        self.sampler = sampler
        self.normalizer = normalizer
        self.smooth_l1_beta = smooth_l1_beta
        self.class_weight = class_weight
        self.box_weight = box_weight
        self.sample_count = sample_count

    def construct(
        self,
        objectness: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        gt_boxes: Tensor,
        gt_valid: Tensor,
        gt_crowd: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """objectness B,A; deltas B,A,4; anchors A,4. Returns two scalars: objectness loss, box loss."""
        pos_index, pos_valid, neg_index, neg_valid, matched_gt = self.sampler(
            anchors, gt_boxes, gt_valid, gt_crowd, noise
        )
        pos_weight, neg_weight = pos_valid.astype(ms.float32), neg_valid.astype(ms.float32)
        pos_logits, neg_logits = take_rows(objectness, pos_index), take_rows(objectness, neg_index)
        positive_loss = (bce_with_logits(pos_logits, ops.ones_like(pos_logits)) * pos_weight).sum()
        negative_loss = (bce_with_logits(neg_logits, ops.zeros_like(neg_logits)) * neg_weight).sum()

        pos_gt = take_rows(gt_boxes, take_rows(matched_gt, pos_index))
        pos_anchors = ops.gather(anchors, pos_index.reshape(-1), 0).reshape(pos_gt.shape)
        targets = ops.stop_gradient(encode(pos_gt, pos_anchors, RPN_CODER_WEIGHTS))
        box_errors = smooth_l1(take_rows(deltas, pos_index), targets, self.smooth_l1_beta)
        box_loss = (box_errors * pos_weight.expand_dims(2)).sum()

        if self.normalizer == "batch_size":
            count = float(self.sampler.batch_size_per_image * objectness.shape[0])
        else:
            count = self.sample_count(pos_weight.sum() + neg_weight.sum())
        return (
            (positive_loss + negative_loss) * (self.class_weight / count),
            box_loss * (self.box_weight / count),
        )
