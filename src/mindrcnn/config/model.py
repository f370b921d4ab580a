"""The keys under `model`: the two-stage detector, one dataclass for each of its parts."""

# ruff: noqa: RUF009 - key() is dataclasses.field with a meaning and limits

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mindrcnn.config.box import BoxConfig
from mindrcnn.config.schema import key, require
from mindrcnn.extensions import BACKBONES, MASK_BRANCHES

HeadNorm = Literal["none", "group", "sync_batch", "frozen"]


def require_groups(norm: str, name: str, channels: int) -> None:
    """Raises InputError if group norm cannot divide a layer's channels."""
    require(norm != "group" or channels % 32 == 0, name, "a multiple of 32 with norm group", channels)


@dataclass(frozen=True)
class PixelConfig:
    """Normalisation of pixel values; published weights each need their own."""

    channel_order: Literal["rgb", "bgr"] = key(
        "rgb", "Order of the colour channels that the backbone was trained with."
    )
    mean: tuple[float, float, float] = key(
        (123.675, 116.28, 103.53), "Mean to subtract, in channel_order, on the scale 0..255."
    )
    std: tuple[float, float, float] = key(
        (58.395, 57.12, 57.375), "Standard deviation to divide by, in channel_order.", low=1e-6
    )


@dataclass(frozen=True)
class BackboneConfig:
    """The backbone network."""

    name: Literal["resnet50", "resnet101", "mobilenet_v1"] = key("resnet50", "Architecture.")
    stride_in: Literal["3x3", "1x1"] = key(
        "3x3",
        "ResNet only: the convolution of a bottleneck that has the stride; 3x3 as in PyTorch, 1x1 as in Caffe.",
    )
    norm: Literal["frozen", "frozen_statistics", "batch", "sync_batch", "group"] = key(
        "frozen",
        "frozen: statistics, scale and shift are fixed (detectron2); frozen_statistics: scale and shift train "
        "(mmdetection's norm_eval); batch: ordinary batch norm; sync_batch: batch norm over the images of all "
        "processes (SyncBN); group: group norm of 32 groups (detectron2's GN), "
        "without weights of batch norm.",
    )
    frozen_stages: int = key(
        2,
        "Number of stages that do not train, counted from the stem: 0 none, 1 the stem, 2 stem and first stage, ...",
        low=0,
        high=5,
    )
    weights: str = key(
        "",
        "ImageNet weights: a published backbone's name (torchvision/resnet50_v2), or a local file or https URL "
        "(torchvision .pth, detectron2 .pkl, mindcv or MindSpore zoo .ckpt, .npz); empty: start from scratch.",
    )
    weights_sha256: str = key(
        "", "Expected SHA-256 of the weights file (at least 8 leading hex digits); empty: not checked."
    )

    def __post_init__(self) -> None:
        digest = self.weights_sha256
        readable = not digest or re.fullmatch("[0-9a-f]{8,64}", digest) is not None
        require(readable, "model.backbone.weights_sha256", "8 to 64 lower-case hex digits, or nothing", digest)
        if self.name == "mobilenet_v1":
            require(self.stride_in == "3x3", "model.backbone.stride_in", "3x3 with mobilenet_v1", self.stride_in)


@dataclass(frozen=True)
class FPNConfig:
    """Feature pyramid P2..P5 plus P6 by stride-2 subsampling of P5."""

    out_channels: int = key(256, "Channels of every pyramid level.", low=1, high=65536)
    norm: HeadNorm = key(
        "none", "none: convolutions with a bias; group, sync_batch and frozen: as in model.backbone.norm."
    )

    def __post_init__(self) -> None:
        require_groups(self.norm, "model.fpn.out_channels", self.out_channels)


@dataclass(frozen=True)
class AnchorConfig:
    """RPN anchors."""

    sizes: tuple[float, ...] = key(
        (32.0, 64.0, 128.0, 256.0, 512.0), "Square root of the anchor area in pixels, one for each of P2..P6.", low=1
    )
    aspect_ratios: tuple[float, ...] = key((0.5, 1.0, 2.0), "Height divided by width.", low=0.01)
    rounded: bool = key(False, "Round anchor corners to whole pixels, as torchvision does.")


@dataclass(frozen=True)
class TrainTestPair:
    """One number for training and one for inference."""

    train: int = key(1000, "Value while training.", low=1, high=100000)
    test: int = key(1000, "Value at inference.", low=1, high=100000)


@dataclass(frozen=True)
class RPNConfig:
    """Region proposal network: head, assignment, sampling, losses and proposal selection."""

    num_convs: int = key(
        1, "Number of 3x3 convolutions before the predictors; detectron2's new baselines have 2.", low=1, high=8
    )
    pre_nms_topk: TrainTestPair = key(
        lambda: TrainTestPair(train=2000, test=1000), "Proposals kept per level before NMS."
    )
    post_nms_topk: TrainTestPair = key(
        lambda: TrainTestPair(train=1000, test=1000), "Proposals kept per image after NMS."
    )
    nms_thresh: float = key(0.7, "IoU above which the weaker proposal of a level is dropped.", low=0, high=1)
    min_size: float = key(0.0, "Proposals with a side not above this many pixels are dropped.", low=0)
    fg_iou_thresh: float = key(0.7, "Anchors at or above this IoU with an object are positive.", low=0, high=1)
    bg_iou_thresh: float = key(0.3, "Anchors below this IoU with every object are negative.", low=0, high=1)
    low_quality: Literal["keep", "overwrite", "off"] = key(
        "keep",
        "An object's best anchors below fg_iou_thresh: keep makes them positive for their own best object (detectron2, "
        "torchvision), overwrite gives them to the object whose best they are (mmdetection), off leaves them.",
    )
    low_quality_min_iou: float = key(0.0, "Least IoU of a low-quality match (mmdetection: 0.3).", low=0, high=1)
    batch_size_per_image: int = key(256, "Anchors sampled per image for the loss.", low=1, high=100000)
    positive_fraction: float = key(0.5, "Largest share of positives among the sampled anchors.", low=0, high=1)
    negatives_per_positive: float = key(
        0.0, "Most negatives for each positive (mmdetection's neg_pos_ub); 0 sets no limit.", low=0
    )
    normalizer: Literal["batch_size", "sampled"] = key(
        "batch_size",
        "Divisor of both losses: batch_size_per_image x images (detectron2), or the number of anchors that were "
        "sampled (torchvision, mmdetection).",
    )
    smooth_l1_beta: float = key(0.0, "Distance at which smooth L1 becomes linear; 0 is plain L1.", low=0)
    class_weight: float = key(1.0, "Weight of the objectness loss.", low=0)
    box_weight: float = key(1.0, "Weight of the box loss.", low=0)


@dataclass(frozen=True)
class RoiSamplingConfig:
    """Sampling of the proposals that train the box and mask branches; ground-truth boxes are added to the proposals."""

    fg_iou_thresh: float = key(0.5, "Proposals at or above this IoU with an object are positive.", low=0, high=1)
    bg_iou_thresh: float = key(0.5, "Proposals below this IoU with every object are negative.", low=0, high=1)
    low_quality: Literal["keep", "overwrite", "off"] = key("off", "Same as model.rpn.low_quality.")
    low_quality_min_iou: float = key(0.5, "Same as model.rpn.low_quality_min_iou.", low=0, high=1)
    gt_after_assignment: bool = key(
        False,
        "Whether the ground-truth boxes join the proposals after these are assigned to objects (mmdetection, model "
        "zoo) or before (detectron2, torchvision). Before, each is its object's best candidate, so low_quality moves "
        "no proposal.",
    )
    batch_size_per_image: int = key(512, "Proposals sampled per image.", low=1, high=100000)
    positive_fraction: float = key(0.25, "Largest share of positives among the samples.", low=0, high=1)
    negatives_per_positive: float = key(0.0, "Same as model.rpn.negatives_per_positive.", low=0)


@dataclass(frozen=True)
class RoiAlignConfig:
    """Pooling of box features from the pyramid."""

    aligned: bool = key(
        True, "Sample with the half-pixel correction (detectron2's ROIAlignV2); false: without it (torchvision)."
    )
    sampling_ratio: int = key(
        2,
        "Sample points per bin and axis (2: torchvision, maskrcnn-benchmark); 0: as many as the bin covers feature "
        "cells (detectron2, mmdetection), which reproduces their weights exactly but is slower.",
        low=0,
        high=8,
    )


class MaskConfig:
    """Properties that the configuration of every mask branch has; a branch overrides those that differ."""

    predicts_iou: bool = False  # its mask scores are the class score times a predicted mask IoU
    dynamic: bool = False  # shapes depend on values, which neither graph mode nor an exported file can have


@dataclass(frozen=True)
class MaskRCNNConfig(MaskConfig):
    """Mask R-CNN's fully convolutional mask branch."""

    type: Literal["mask_rcnn"] = key("mask_rcnn", "Type of the mask branch.")
    resolution: int = key(14, "Side of the pooled feature; predicted masks have twice that side.", low=1, high=128)
    num_convs: int = key(4, "Number of 3x3 convolutions before the upsampling.", low=0, high=64)
    channels: int = key(256, "Width of those convolutions.", low=1, high=65536)
    norm: HeadNorm = key("none", "Norm of those convolutions, as in model.fpn.norm.")
    weight: float = key(1.0, "Weight of the mask loss.", low=0)

    def __post_init__(self) -> None:
        require_groups(self.norm, "model.mask.channels", self.channels)


@dataclass(frozen=True)
class MaskScoringConfig(MaskConfig):
    """Mask Scoring R-CNN: Mask R-CNN's branch and a head that predicts the IoU of its masks."""

    predicts_iou = True

    type: Literal["ms_rcnn"] = key("ms_rcnn", "Type of the mask branch.")
    resolution: int = key(14, "Same as in mask_rcnn.", low=1, high=128)
    num_convs: int = key(4, "Same as in mask_rcnn.", low=0, high=64)
    channels: int = key(256, "Same as in mask_rcnn.", low=1, high=65536)
    norm: HeadNorm = key("none", "Same as in mask_rcnn.")
    weight: float = key(1.0, "Same as in mask_rcnn.", low=0)
    iou_num_convs: int = key(4, "Number of 3x3 convolutions of the IoU head; the last has stride 2.", low=1, high=64)
    iou_channels: int = key(256, "Width of those convolutions.", low=1, high=65536)
    iou_fc_channels: int = key(1024, "Width of the IoU head's two fully connected layers.", low=1, high=65536)
    iou_weight: float = key(1.0, "Weight of the IoU loss, 0.5 (predicted - true)^2.", low=0)
    iou_mask_logit_thresh: float = key(
        0.0,
        "Logit above which a pixel belongs to the mask when its true IoU is computed: 0 is probability 0.5, the "
        "threshold of evaluation; mmdetection uses 0.5.",
    )
    iou_area_eps: float = key(
        0.0,
        "Added to the share of an object that lies inside a sample before dividing by it (mmdetection: 1e-7).",
        low=0,
    )

    def __post_init__(self) -> None:
        require_groups(self.norm, "model.mask.channels", self.channels)


@dataclass(frozen=True)
class PointRendConfig(MaskConfig):
    """PointRend's mask branch: a coarse mask, refined at uncertain points."""

    type: Literal["point_rend"] = key("point_rend", "Type of the mask branch.")
    resolution: int = key(
        14, "Side of the regular point grid that the coarse head takes; its masks have half that side.", low=2, high=128
    )
    fc_channels: int = key(1024, "Width of the coarse head's two fully connected layers.", low=1, high=65536)
    point_layers: int = key(3, "Number of layers of the point head before the last.", low=1, high=64)
    point_channels: int = key(256, "Width of those layers.", low=1, high=65536)
    train_points: int = key(196, "Number of points per sample that train the point head.", low=1, high=100000)
    oversampling: float = key(3.0, "Random candidates for uncertain points, as a multiple of train_points.", low=1)
    importance: float = key(
        0.75, "Share of train_points selected by uncertainty; the others are random.", low=0, high=1
    )
    subdivision_steps: int = key(5, "Number of times that the coarse mask is doubled at inference.", low=0, high=8)
    subdivision_points: int = key(
        784, "Number of most uncertain points that are predicted again after each doubling.", low=1
    )
    coarse_weight: float = key(1.0, "Weight of the coarse mask's loss.", low=0)
    point_weight: float = key(1.0, "Weight of the point loss.", low=0)
    dynamic: bool = key(False, "Compute only the slots that hold a box; requires device.mode=pynative.")

    def __post_init__(self) -> None:
        require(self.resolution % 2 == 0, "model.mask.resolution", "an even number with point_rend", self.resolution)


@dataclass(frozen=True)
class ModelConfig:
    """The two-stage detector."""

    pixel: PixelConfig = key(PixelConfig, "Input normalisation.")
    backbone: BackboneConfig = key(
        BackboneConfig, "Backbone by its name; other packages can add more.", tag="name", registered=BACKBONES
    )
    fpn: FPNConfig = key(FPNConfig, "Pyramid.")
    anchors: AnchorConfig = key(AnchorConfig, "Anchors.")
    rpn: RPNConfig = key(RPNConfig, "Region proposals.")
    roi_sampling: RoiSamplingConfig = key(RoiSamplingConfig, "Stage-two sampling.")
    roi_align: RoiAlignConfig = key(RoiAlignConfig, "Pooling.")
    box: BoxConfig = key(BoxConfig, "Box branch.")
    mask: MaskRCNNConfig | MaskScoringConfig | PointRendConfig | None = key(
        None, "Mask branch by its type; null for Faster R-CNN. Other packages can add more.", registered=MASK_BRANCHES
    )

    def __post_init__(self) -> None:
        require(len(self.anchors.sizes) == 5, "model.anchors.sizes", "5 sizes, one each for P2..P6", self.anchors.sizes)
        require(bool(self.anchors.aspect_ratios), "model.anchors.aspect_ratios", "at least one ratio", ())
        for name, part in (("rpn", self.rpn), ("roi_sampling", self.roi_sampling)):
            require(
                part.bg_iou_thresh <= part.fg_iou_thresh,
                f"model.{name}.bg_iou_thresh",
                f"at most fg_iou_thresh ({part.fg_iou_thresh})",
                part.bg_iou_thresh,
            )
            require(
                int(part.batch_size_per_image * part.positive_fraction) >= 1,
                f"model.{name}.positive_fraction",
                f"room for one positive in batch_size_per_image ({part.batch_size_per_image})",
                part.positive_fraction,
            )
