"""The detector, built from the keys under `model`."""

from itertools import pairwise

from mindspore import nn

from mindrcnn.build.mask_branches import build_mask_branch, build_pooler
from mindrcnn.config.box import BoxConfig
from mindrcnn.config.model import (
    BackboneConfig,
    ModelConfig,
    RoiSamplingConfig,
    RPNConfig,
)
from mindrcnn.errors import InputError
from mindrcnn.extensions import BACKBONES
from mindrcnn.models.backbones.base import STRIDES
from mindrcnn.models.backbones.mobilenet_v1 import MobileNetV1
from mindrcnn.models.backbones.resnet import ResNet
from mindrcnn.models.box_branch import BoxBranch, BoxHead, BoxLoss, DetectionSelector
from mindrcnn.models.box_errors import GIoUError, SmoothL1Error
from mindrcnn.models.detector import PixelNormalizer, TwoStageDetector
from mindrcnn.models.fpn import FPN
from mindrcnn.models.layers import ConvNorm
from mindrcnn.models.proposals import ProposalSelector
from mindrcnn.models.rpn import AnchorGenerator, AnchorSampler, RegionProposalNetwork, RPNHead, RPNLoss
from mindrcnn.models.sampling import CandidateSampler, RoiSampler
from mindrcnn.ops.losses import SampleCount, at_least_one


def build_detector(
    config: ModelConfig, num_classes: int, *, sample_count: SampleCount = at_least_one, train_mask: bool = True
) -> TwoStageDetector:
    """Returns the detector with fresh parameters; backbone weights are loaded separately.

    config: the keys under `model`.
    num_classes: number of classes, without the background.
    sample_count: counts the samples that losses are divided by.
    train_mask: whether a mask branch has losses.
    """
    backbone = build_backbone(config.backbone)
    roi_sampler = build_roi_sampler(config.roi_sampling)
    return TwoStageDetector(
        pixels=PixelNormalizer(mean=config.pixel.mean, std=config.pixel.std),
        backbone=backbone,
        neck=FPN(in_channels=backbone.out_channels, out_channels=config.fpn.out_channels, norm=config.fpn.norm),
        rpn=build_rpn(config, sample_count),
        roi_sampler=roi_sampler,
        box=build_box_branch(config, num_classes, sample_count),
        mask=build_mask_branch(config, num_classes, roi_sampler.max_positives, sample_count),
        train_mask=train_mask,
    )


def build_backbone(config: BackboneConfig) -> nn.Cell:
    """Returns the trunk, without pretrained weights. Raises InputError for a registered one that does not fit."""
    if config.name in BACKBONES:
        backbone = BACKBONES[config.name].build(config)
        require_pyramid(backbone, config.name)
        return backbone
    if config.name == "mobilenet_v1":
        return MobileNetV1(norm=config.norm, frozen_stages=config.frozen_stages)
    return ResNet(
        depth=50 if config.name == "resnet50" else 101,
        stride_in=config.stride_in,
        norm=config.norm,
        frozen_stages=config.frozen_stages,
    )


def require_pyramid(backbone: nn.Cell, name: str) -> None:
    """Raises InputError unless the cell declares four outputs, C2..C5, at the strides that the pyramid is made for."""
    channels, strides = (tuple(getattr(backbone, part, ())) for part in ("out_channels", "strides"))
    if len(channels) != len(STRIDES) or strides != STRIDES:
        raise InputError(
            f"model.backbone.name: wanted a backbone with 4 out_channels and strides {STRIDES}, got {name} with "
            f"out_channels {channels} and strides {strides}"
        )


def build_candidate_sampler(config: RPNConfig | RoiSamplingConfig) -> CandidateSampler:
    """Returns assignment and sampling of either stage."""
    return CandidateSampler(
        fg_iou_thresh=config.fg_iou_thresh,
        bg_iou_thresh=config.bg_iou_thresh,
        low_quality=config.low_quality,
        low_quality_min_iou=config.low_quality_min_iou,
        batch_size_per_image=config.batch_size_per_image,
        positive_fraction=config.positive_fraction,
        negatives_per_positive=config.negatives_per_positive,
    )


def build_roi_sampler(config: RoiSamplingConfig) -> RoiSampler:
    """Assignment and sampling of the second stage."""
    return RoiSampler(candidates=build_candidate_sampler(config), gt_after_assignment=config.gt_after_assignment)


def build_rpn(config: ModelConfig, sample_count: SampleCount) -> RegionProposalNetwork:
    """Returns RPN head, anchors, loss and proposal selection."""
    rpn, anchors = config.rpn, config.anchors
    return RegionProposalNetwork(
        head=RPNHead(
            channels=config.fpn.out_channels,
            anchors_per_cell=len(anchors.aspect_ratios),
            num_convs=rpn.num_convs,
        ),
        anchors=AnchorGenerator(sizes=anchors.sizes, aspect_ratios=anchors.aspect_ratios, rounded=anchors.rounded),
        loss=RPNLoss(
            sampler=AnchorSampler(candidates=build_candidate_sampler(rpn)),
            normalizer=rpn.normalizer,
            smooth_l1_beta=rpn.smooth_l1_beta,
            class_weight=rpn.class_weight,
            box_weight=rpn.box_weight,
            sample_count=sample_count,
        ),
        selector=ProposalSelector(
            pre_nms_topk=(rpn.pre_nms_topk.train, rpn.pre_nms_topk.test),
            post_nms_topk=(rpn.post_nms_topk.train, rpn.post_nms_topk.test),
            nms_thresh=rpn.nms_thresh,
            min_size=rpn.min_size,
        ),
    )


def build_box_convs(box: BoxConfig, in_channels: int) -> list[nn.Cell]:
    """Returns the convolutions of the box head (detectron2's FastRCNNConvFCHead), if it has any."""
    widths = [in_channels] + [box.conv_channels] * box.num_convs
    return [
        ConvNorm(in_channels=before, out_channels=after, kernel_size=3, norm=box.norm, activation="relu")
        for before, after in pairwise(widths)
    ]


def build_box_error(box: BoxConfig) -> nn.Cell:
    """Returns the box loss's error of a positive sample."""
    if box.box_loss == "giou":
        return GIoUError(coder_weights=box.coder_weights)
    return SmoothL1Error(coder_weights=box.coder_weights, beta=box.smooth_l1_beta)


def build_box_branch(config: ModelConfig, num_classes: int, sample_count: SampleCount) -> BoxBranch:
    """Returns second-stage classification and regression."""
    box = config.box
    return BoxBranch(
        pooler=build_pooler(config.roi_align, box.resolution),
        head=BoxHead(
            in_channels=box.conv_channels if box.num_convs else config.fpn.out_channels,
            resolution=box.resolution,
            fc_channels=box.fc_channels,
            num_classes=num_classes,
            class_agnostic=box.class_agnostic,
            convs=build_box_convs(box, config.fpn.out_channels),
            num_fcs=box.num_fcs,
        ),
        loss=BoxLoss(
            box_error=build_box_error(box),
            class_weight=box.class_weight,
            box_weight=box.box_weight,
            sample_count=sample_count,
        ),
        selector=DetectionSelector(
            coder_weights=box.coder_weights,
            score_thresh=box.score_thresh,
            nms_thresh=box.nms_thresh,
            detections_per_image=box.detections_per_image,
            pre_nms_topk=box.pre_nms_topk,
        ),
        train_on_pred_boxes=box.train_on_pred_boxes,
    )
