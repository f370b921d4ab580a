"""Mask branches, built from the keys under `model.mask`."""

from collections.abc import Callable
from dataclasses import dataclass

from mindspore import nn

from mindrcnn.config.model import (
    MaskConfig,
    MaskRCNNConfig,
    MaskScoringConfig,
    ModelConfig,
    PointRendConfig,
    RoiAlignConfig,
)
from mindrcnn.extensions import MASK_BRANCHES
from mindrcnn.models.layers import RoiPooler
from mindrcnn.models.mask_branch import MaskBranch, MaskHead
from mindrcnn.models.mask_scoring_branch import MaskIoUHead, MaskScoringBranch
from mindrcnn.models.point_rend_branch import CoarseHead, PointHead, PointRendBranch, TrainingPoints
from mindrcnn.models.slot_selection import all_slots, valid_slots
from mindrcnn.ops.losses import SampleCount


def build_pooler(config: RoiAlignConfig, resolution: int) -> RoiPooler:
    """Returns ROIAlign of one output size."""
    return RoiPooler(resolution=resolution, sampling_ratio=config.sampling_ratio, aligned=config.aligned)


@dataclass(frozen=True, kw_only=True)
class BranchSetup:
    """The parts of a detector that its mask branch depends on.

    Attributes:
        in_channels: channels of the pyramid levels P2..P6.
        num_classes: K, without the background.
        max_positives: the most samples of an image that can be positive; they come first.
        roi_align: settings of `pooler`.
        sample_count: makes the number of positive samples, a scalar tensor, the divisor of a loss; with several
            processes it counts the samples of all.
    """

    in_channels: int
    num_classes: int
    max_positives: int
    roi_align: RoiAlignConfig
    sample_count: SampleCount

    def pooler(self, resolution: int) -> RoiPooler:
        """Returns the cell that pools features of boxes to `resolution` x `resolution`."""
        return build_pooler(self.roi_align, resolution)


def build_mask_rcnn(mask: MaskRCNNConfig | MaskScoringConfig, setup: BranchSetup) -> MaskBranch:
    """Returns Mask R-CNN's branch."""
    return MaskBranch(
        pooler=setup.pooler(mask.resolution),
        head=MaskHead(
            in_channels=setup.in_channels,
            num_convs=mask.num_convs,
            channels=mask.channels,
            num_classes=setup.num_classes,
            norm=mask.norm,
        ),
        max_positives=setup.max_positives,
        weight=mask.weight,
        sample_count=setup.sample_count,
    )


def build_mask_scoring(mask: MaskScoringConfig, setup: BranchSetup) -> MaskScoringBranch:
    """Returns Mask Scoring R-CNN's branch."""
    return MaskScoringBranch(
        mask=build_mask_rcnn(mask, setup),
        iou_head=MaskIoUHead(
            in_channels=setup.in_channels,
            resolution=mask.resolution,
            num_convs=mask.iou_num_convs,
            channels=mask.iou_channels,
            fc_channels=mask.iou_fc_channels,
            num_classes=setup.num_classes,
        ),
        mask_logit_thresh=mask.iou_mask_logit_thresh,
        area_eps=mask.iou_area_eps,
        weight=mask.iou_weight,
        sample_count=setup.sample_count,
    )


def build_point_rend(mask: PointRendConfig, setup: BranchSetup) -> PointRendBranch:
    """Returns PointRend's branch."""
    return PointRendBranch(
        coarse_head=CoarseHead(
            in_channels=setup.in_channels,
            resolution=mask.resolution,
            fc_channels=mask.fc_channels,
            num_classes=setup.num_classes,
        ),
        point_head=PointHead(
            in_channels=setup.in_channels,
            num_layers=mask.point_layers,
            channels=mask.point_channels,
            num_classes=setup.num_classes,
        ),
        training_points=TrainingPoints(
            count=mask.train_points, oversampling=mask.oversampling, importance=mask.importance
        ),
        subdivision_steps=mask.subdivision_steps,
        subdivision_points=mask.subdivision_points,
        select_slots=valid_slots if mask.dynamic else all_slots,
        max_positives=setup.max_positives,
        coarse_weight=mask.coarse_weight,
        point_weight=mask.point_weight,
        sample_count=setup.sample_count,
    )


BUILDERS: dict[type, Callable[..., nn.Cell]] = {
    MaskRCNNConfig: build_mask_rcnn,
    MaskScoringConfig: build_mask_scoring,
    PointRendConfig: build_point_rend,
}


def build_mask_branch(
    config: ModelConfig, num_classes: int, max_positives: int, sample_count: SampleCount
) -> nn.Cell | None:
    """Returns the mask branch that the type of `model.mask` names; None for Faster R-CNN."""
    if config.mask is None:
        return None
    setup = BranchSetup(
        in_channels=config.fpn.out_channels,
        num_classes=num_classes,
        max_positives=max_positives,
        roi_align=config.roi_align,
        sample_count=sample_count,
    )
    return _builder(config.mask)(config.mask, setup)


def _builder(mask: MaskConfig) -> Callable[..., nn.Cell]:
    registered = {branch.config: branch.build for branch in MASK_BRANCHES.values()}
    return (BUILDERS | registered)[type(mask)]
