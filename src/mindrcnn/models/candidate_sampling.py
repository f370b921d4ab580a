"""Assignment of candidates (anchors or proposals) to objects, and the sample of them that trains a stage."""

from typing import Literal

from mindspore import Tensor, nn, ops

from mindrcnn.ops.assignment import assign
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
