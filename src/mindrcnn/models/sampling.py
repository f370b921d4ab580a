"""The samples that train a stage: assignment to objects, then a balanced random choice.

Girshick, Fast R-CNN, 2015, section 2.3; detectron2 modeling/proposal_generator and modeling/roi_heads; mmdetection
MaxIoUAssigner and BaseSampler.
Letters in shapes: B images, G ground-truth slots, N candidates, P proposals, S samples.
"""

from typing import Literal

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindrcnn.ops import assignment
from mindrcnn.ops.arange import arange
from mindrcnn.ops.gather import take_rows
from mindrcnn.ops.matcher import IGNORED, POSITIVE
from mindrcnn.ops.sampler import sample_balanced

# Boxes (B, S, 4), labels (B, S) int32 with 0 for background, valid (B, S) bool, matched_gt (B, S) int32.
Samples = tuple[Tensor, Tensor, Tensor, Tensor]


class CandidateSampler(nn.Cell):
    """Positives and negatives by IoU: at most batch_size_per_image, of which at most positive_fraction are positive."""

    def __init__(
        self,
        *,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        low_quality: Literal["keep", "overwrite", "off"],
        low_quality_min_iou: float,
        batch_size_per_image: int,
        positive_fraction: float,
        negatives_per_positive: float = 0.0,
    ) -> None:
        super().__init__()
        self.fg_iou_thresh = fg_iou_thresh
        self.bg_iou_thresh = bg_iou_thresh
        self.low_quality = low_quality
        self.low_quality_min_iou = low_quality_min_iou
        self.batch_size_per_image = batch_size_per_image
        self.negatives_per_positive = negatives_per_positive
        self.max_positives = max(int(batch_size_per_image * positive_fraction), 1)

    def construct(
        self,
        boxes: Tensor,
        valid: Tensor,
        gt_boxes: Tensor,
        gt_valid: Tensor,
        gt_crowd: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Returns the result of sample, then matched_gt (B, N).

        boxes: (N, 4) if all images share them, or (B, N, 4).
        valid: (B, N) bool.
        gt_boxes: (B, G, 4) float32.
        gt_valid: (B, G) bool.
        gt_crowd: (B, G) bool.
        noise: (B, N) float32 in [0, 1).
        """
        matched_gt, state = self.assign(boxes, gt_boxes, gt_valid, gt_crowd)
        pos_index, pos_valid, neg_index, neg_valid = self.sample(state, valid, noise)
        return pos_index, pos_valid, neg_index, neg_valid, matched_gt

    def assign(self, boxes: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor) -> tuple[Tensor, Tensor]:
        """Returns matched_gt and state, each (B, N) int32, as ops.assignment.assign does."""
        return assignment.assign(  # a bare `assign` would be this method in a compiled graph
            boxes,
            gt_boxes,
            gt_valid,
            gt_crowd,
            fg_thresh=self.fg_iou_thresh,
            bg_thresh=self.bg_iou_thresh,
            low_quality=self.low_quality,
            low_quality_min_iou=self.low_quality_min_iou,
        )

    def sample(self, state: Tensor, valid: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns pos_index, pos_valid, neg_index and neg_valid, of valid candidates only.

        The positives are (B, max_positives), the negatives (B, batch_size_per_image).

        state: (B, N) int32, as assign returns it.
        valid: (B, N) bool.
        noise: (B, N) float32 in [0, 1).
        """
        state = ops.MaskedFill()(state, ops.logical_not(valid), IGNORED)
        return sample_balanced(
            state,
            noise,
            count=self.batch_size_per_image,
            max_positives=self.max_positives,
            negatives_per_positive=self.negatives_per_positive,
        )


class RoiSampler(nn.Cell):
    """Matching of proposals and ground-truth boxes with objects, and sampling of a fixed number of slots per image.

    Ground truth joins the proposals so that the second stage has positives while the RPN is still poor. It joins before
    they are matched (detectron2, torchvision), or with `gt_after_assignment` afterwards, each box matched with its own
    object (mmdetection, model zoo). Before, each object's best candidate is its own box, so that no proposal is a
    low-quality match.
    """

    def __init__(self, *, candidates: CandidateSampler, gt_after_assignment: bool = False) -> None:
        super().__init__()
        self.candidates = candidates
        self.gt_after_assignment = gt_after_assignment
        self.batch_size_per_image = candidates.batch_size_per_image
        self.max_positives = candidates.max_positives

    def construct(
        self,
        proposals: Tensor,
        proposal_valid: Tensor,
        gt_boxes: Tensor,
        gt_labels: Tensor,
        gt_valid: Tensor,
        gt_crowd: Tensor,
        noise: Tensor,
    ) -> Samples:
        """Returns the samples of each image.

        Positives come first and never lie beyond slot max_positives, so a mask branch reads only those slots.

        proposals: (B, P, 4), input pixels.
        proposal_valid: (B, P) bool.
        gt_boxes: (B, G, 4) float32.
        gt_labels: (B, G) int32.
        gt_valid: (B, G) bool.
        gt_crowd: (B, G) bool.
        noise: (B, P + G) float32 in [0, 1).
        """
        boxes = ops.cat((proposals, gt_boxes), axis=1)
        valid = ops.cat((proposal_valid, gt_valid), axis=1)
        if self.gt_after_assignment:
            matched_gt, state = self.assign_apart(proposals, proposal_valid, gt_boxes, gt_valid, gt_crowd)
        else:
            matched_gt, state = self.candidates.assign(boxes, gt_boxes, gt_valid, gt_crowd)
        pos_index, pos_valid, neg_index, neg_valid = self.candidates.sample(state, valid, noise)
        index, sample_valid, positive = self.pack(pos_index, pos_valid, neg_index, neg_valid)
        sample_gt = take_rows(matched_gt, index)
        labels = take_rows(gt_labels, sample_gt) * positive.astype(ms.int32)
        return take_rows(boxes, index), labels, sample_valid, sample_gt

    def assign_apart(
        self, proposals: Tensor, proposal_valid: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns matched_gt and state, each (B, P + G) int32: proposals by IoU, every object as its own positive.

        proposals: (B, P, 4), input pixels.
        proposal_valid: (B, P) bool.
        gt_boxes: (B, G, 4) float32.
        gt_valid: (B, G) bool.
        gt_crowd: (B, G) bool.
        """
        # Slots without a proposal may hold a box that was suppressed; as a point it is no object's best.
        proposals = ops.where(proposal_valid.expand_dims(2), proposals, 0.0)
        matched_gt, state = self.candidates.assign(proposals, gt_boxes, gt_valid, gt_crowd)
        images, slots = gt_valid.shape
        own = ops.tile(arange(slots).expand_dims(0), (images, 1))
        return ops.cat((matched_gt, own), axis=1), ops.cat((state, ops.full_like(own, POSITIVE)), axis=1)

    def pack(
        self, pos_index: Tensor, pos_valid: Tensor, neg_index: Tensor, neg_valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns index, valid and positive, each (B, S): positives, then negatives, without gaps."""
        positives = pos_valid.astype(ms.int32).sum(axis=1).expand_dims(1)
        slot = ops.tile(arange(self.batch_size_per_image).expand_dims(0), (pos_index.shape[0], 1))
        is_positive = slot < positives
        source = ops.select(is_positive, slot, slot - positives + self.max_positives)
        index = take_rows(ops.cat((pos_index, neg_index), axis=1), source)
        valid = take_rows(ops.cat((pos_valid, neg_valid), axis=1), source)
        return index, valid, is_positive
