"""Configuration to mask branches, built from `model.mask`."""

from collections.abc import Callable

from mindspore import nn

from mindrcnn.config.model import MaskRCNNConfig, MaskScoringConfig, ModelConfig, PointRendConfig, RoiAlignConfig
from mindrcnn.models.layers import RoiPooler
from mindrcnn.models.mask_branch import MaskBranch, MaskHead
from mindrcnn.models.mask_scoring_branch import MaskIoUHead, MaskScoringBranch
from mindrcnn.models.point_rend_branch import CoarseHead, PointHead, PointRendBranch, TrainingPoints
from mindrcnn.models.slot_selection import all_slots, valid_slots
from mindrcnn.ops.losses import SampleCount


def build_pooler(config: RoiAlignConfig, resolution: int) -> RoiPooler:
    """ROIAlign of one output size."""
    return RoiPooler(resolution=resolution, sampling_ratio=config.sampling_ratio, aligned=config.aligned)


def build_mask_rcnn(
    config: ModelConfig,
    mask: MaskRCNNConfig | MaskScoringConfig,
    num_classes: int,
    max_positives: int,
    sample_count: SampleCount,
) -> MaskBranch:
    """Mask R-CNN's branch."""
    return MaskBranch(
        pooler=build_pooler(config.roi_align, mask.resolution),
        head=MaskHead(
            in_channels=config.fpn.out_channels,
            num_convs=mask.num_convs,
            channels=mask.channels,
            num_classes=num_classes,
        ),
        max_positives=max_positives,
        weight=mask.weight,
        sample_count=sample_count,
    )


def build_mask_scoring(
    config: ModelConfig, mask: MaskScoringConfig, num_classes: int, max_positives: int, sample_count: SampleCount
) -> MaskScoringBranch:
    """Mask Scoring R-CNN's branch."""
    return MaskScoringBranch(
        mask=build_mask_rcnn(config, mask, num_classes, max_positives, sample_count),
        iou_head=MaskIoUHead(
            in_channels=config.fpn.out_channels,
            resolution=mask.resolution,
            num_convs=mask.iou_num_convs,
            channels=mask.iou_channels,
            fc_channels=mask.iou_fc_channels,
            num_classes=num_classes,
        ),
        mask_logit_thresh=mask.iou_mask_logit_thresh,
        area_eps=mask.iou_area_eps,
        weight=mask.iou_weight,
        sample_count=sample_count,
    )


def build_point_rend(
    config: ModelConfig, mask: PointRendConfig, num_classes: int, max_positives: int, sample_count: SampleCount
) -> PointRendBranch:
    """PointRend's branch."""
    return PointRendBranch(
        coarse_head=CoarseHead(
            in_channels=config.fpn.out_channels,
            resolution=mask.resolution,
            fc_channels=mask.fc_channels,
            num_classes=num_classes,
        ),
        point_head=PointHead(
            in_channels=config.fpn.out_channels,
            num_layers=mask.point_layers,
            channels=mask.point_channels,
            num_classes=num_classes,
        ),
        training_points=TrainingPoints(
            count=mask.train_points, oversampling=mask.oversampling, importance=mask.importance
        ),
        subdivision_steps=mask.subdivision_steps,
        subdivision_points=mask.subdivision_points,
        select_slots=valid_slots if mask.dynamic else all_slots,
        max_positives=max_positives,
        coarse_weight=mask.coarse_weight,
        point_weight=mask.point_weight,
        sample_count=sample_count,
    )


MASK_BRANCHES: dict[type, Callable[..., nn.Cell]] = {
    MaskRCNNConfig: build_mask_rcnn,
    MaskScoringConfig: build_mask_scoring,
    PointRendConfig: build_point_rend,
}


def build_mask_branch(
    config: ModelConfig, num_classes: int, max_positives: int, sample_count: SampleCount
) -> nn.Cell | None:
    """The mask branch that the type of `model.mask` names; None for Faster R-CNN."""
    if config.mask is None:
        return None
    return MASK_BRANCHES[type(config.mask)](config, config.mask, num_classes, max_positives, sample_count)
