"""From configuration to mask branches; with build.py the only place where the two meet."""

from collections.abc import Callable

from mindspore import nn

from mindrcnn.config_model import MaskRCNNConfig, MaskScoringConfig, ModelConfig, RoiAlignConfig
from mindrcnn.models.mask_branch import MaskBranch, MaskHead
from mindrcnn.models.mask_scoring_branch import MaskIoUHead, MaskScoringBranch
from mindrcnn.models.roi_pooling import AdaptiveRoiPooler, RoiPooler


def build_pooler(config: RoiAlignConfig, resolution: int) -> nn.Cell:
    """ROIAlign of one output size."""
    if config.sampling_ratio == 0:
        return AdaptiveRoiPooler(resolution=resolution, aligned=config.aligned)
    return RoiPooler(resolution=resolution, sampling_ratio=config.sampling_ratio, aligned=config.aligned)


def build_mask_rcnn(
    config: ModelConfig, mask: MaskRCNNConfig | MaskScoringConfig, num_classes: int, max_positives: int
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
    )


def build_mask_scoring(
    config: ModelConfig, mask: MaskScoringConfig, num_classes: int, max_positives: int
) -> MaskScoringBranch:
    """Mask Scoring R-CNN's branch."""
    return MaskScoringBranch(
        mask=build_mask_rcnn(config, mask, num_classes, max_positives),
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
    )


MASK_BRANCHES: dict[type, Callable[..., nn.Cell]] = {
    MaskRCNNConfig: build_mask_rcnn,
    MaskScoringConfig: build_mask_scoring,
}


def build_mask_branch(config: ModelConfig, num_classes: int, max_positives: int) -> nn.Cell | None:
    """The mask branch that the type of `model.mask` names; None for Faster R-CNN."""
    if config.mask is None:
        return None
    return MASK_BRANCHES[type(config.mask)](config, config.mask, num_classes, max_positives)
