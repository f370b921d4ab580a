"""The samples that train a stage: assignment to objects, then a balanced choice.

Girshick, Fast R-CNN, 2015, section 2.3; detectron2 modeling/proposal_generator and modeling/roi_heads.
"""

from typing import Literal

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindrcnn.ops.assignment import assign
from mindrcnn.ops.gather import take_rows
from mindrcnn.ops.sampler import sample_balanced


class CandidateSampler(nn.Cell):
    """Positives and negatives by IoU, at most batch_size_per_image of them and positive_fraction of these positive."""

    def __init__(
        self,
        *,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        low_quality: Literal["keep", "overwrite", "off"],
        low_quality_min_iou: float,
        batch_size_per_image: int,
        positive_fraction: float,
    ) -> None:
        super().__init__()
        self.fg_iou_thresh = fg_iou_thresh
        self.bg_iou_thresh = bg_iou_thresh
        self.low_quality = low_quality
        self.low_quality_min_iou = low_quality_min_iou
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
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
        """boxes N,4 of all images or B,N,4; valid B,N bool; gt as in the batch; noise B,N in [0, 1).

        Returns pos_index B,P; pos_valid B,P; neg_index B,M; neg_valid B,M; matched_gt B,N, with P max_positives and M
        batch_size_per_image.
        """
        matched_gt, state = assign(
            boxes,
            gt_boxes,
            gt_valid,
            gt_crowd,
            fg_thresh=self.fg_iou_thresh,
            bg_thresh=self.bg_iou_thresh,
            low_quality=self.low_quality,
            low_quality_min_iou=self.low_quality_min_iou,
        )
        state = ops.select(valid, state, ops.full_like(state, -1))
        pos_index, pos_valid, neg_index, neg_valid = sample_balanced(
            state, noise, count=self.batch_size_per_image, positive_fraction=self.positive_fraction
        )
        return pos_index, pos_valid, neg_index, neg_valid, matched_gt


class RoiSampler(nn.Cell):
    """Matches proposals and ground-truth boxes with objects and samples a fixed number of slots per image."""

    def __init__(self, *, candidates: CandidateSampler) -> None:
        super().__init__()
        self.candidates = candidates
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
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """proposals B,P,4; proposal_valid B,P; gt as in the batch; noise B,P+G in [0, 1).

        Returns samples: boxes B,S,4; labels B,S int32, 0 for background; valid B,S; matched_gt B,S int32. Positives
        come first and never lie beyond slot max_positives, so a mask branch reads only those slots.
        """
        # Ground truth joins the proposals, so that the second stage has positives while the RPN is still poor.
        boxes = ops.cat((proposals, gt_boxes), axis=1)
        valid = ops.cat((proposal_valid, gt_valid), axis=1)
        pos_index, pos_valid, neg_index, neg_valid, matched_gt = self.candidates(
            boxes, valid, gt_boxes, gt_valid, gt_crowd, noise
        )
        index, sample_valid, positive = self.pack(pos_index, pos_valid, neg_index, neg_valid)
        sample_gt = take_rows(matched_gt, index)
        labels = take_rows(gt_labels, sample_gt) * positive.astype(ms.int32)
        return take_rows(boxes, index), labels, sample_valid, sample_gt

    def pack(
        self, pos_index: Tensor, pos_valid: Tensor, neg_index: Tensor, neg_valid: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Positives, then negatives, without gaps in S slots: index, valid, positive, each B,S."""
        positives = pos_valid.astype(ms.int32).sum(axis=1).expand_dims(1)
        slot = ops.tile(ops.arange(self.batch_size_per_image).astype(ms.int32).expand_dims(0), (pos_index.shape[0], 1))
        is_positive = slot < positives
        source = ops.select(is_positive, slot, slot - positives + self.max_positives)
        index = take_rows(ops.cat((pos_index, neg_index), axis=1), source)
        valid = take_rows(ops.cat((pos_valid, neg_valid), axis=1), source)
        return index, valid, is_positive
