"""From configuration to objects: with build_masks.py and build_training.py the only place where the two meet."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mindspore import nn

from mindrcnn.build_masks import build_mask_branch, build_pooler
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.config.model import (
    BackboneConfig,
    ModelConfig,
    RoiSamplingConfig,
    RPNConfig,
)
from mindrcnn.config.run import Config, ScheduleConfig, TrainConfig
from mindrcnn.data.augment import Augment
from mindrcnn.data.batch import InputFormat, ObjectFormat
from mindrcnn.data.coco import read_coco
from mindrcnn.data.layout import find_split
from mindrcnn.data.loader import EvalLoader, TrainLoader
from mindrcnn.data.mindrecord.reader import read_mindrecord
from mindrcnn.data.record import Dataset, Record, training_records
from mindrcnn.data.txt_list import read_txt
from mindrcnn.engine import schedule as rates
from mindrcnn.engine.trainer import Plan
from mindrcnn.errors import InputError
from mindrcnn.models.backbones.mobilenet_v1 import MobileNetV1
from mindrcnn.models.backbones.resnet import ResNet
from mindrcnn.models.box_branch import BoxBranch, BoxHead, BoxLoss, DetectionSelector
from mindrcnn.models.candidate_sampling import CandidateSampler
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.models.fpn import FPN
from mindrcnn.models.pixels import PixelNormalizer
from mindrcnn.models.proposals import ProposalSelector
from mindrcnn.models.roi_sampling import RoiSampler
from mindrcnn.models.rpn import AnchorGenerator, RegionProposalNetwork, RPNHead
from mindrcnn.models.rpn_loss import AnchorSampler, RPNLoss
from mindrcnn.ops.sample_count import SampleCount, at_least_one


def build_detector(
    config: ModelConfig, num_classes: int, *, sample_count: SampleCount = at_least_one
) -> TwoStageDetector:
    """The detector with fresh parameters; backbone weights are loaded separately."""
    backbone = build_backbone(config.backbone)
    roi_sampler = RoiSampler(candidates=build_candidate_sampler(config.roi_sampling))
    return TwoStageDetector(
        pixels=PixelNormalizer(mean=config.pixel.mean, std=config.pixel.std),
        backbone=backbone,
        neck=FPN(in_channels=backbone.out_channels, out_channels=config.fpn.out_channels),
        rpn=build_rpn(config, sample_count),
        roi_sampler=roi_sampler,
        box=build_box_branch(config, num_classes, sample_count),
        mask=build_mask_branch(config, num_classes, roi_sampler.max_positives, sample_count),
    )


def build_backbone(config: BackboneConfig) -> nn.Cell:
    """The trunk, without pretrained weights."""
    if config.name == "mobilenet_v1":
        return MobileNetV1(norm=config.norm, frozen_stages=config.frozen_stages)
    return ResNet(
        depth=50 if config.name == "resnet50" else 101,
        stride_in=config.stride_in,
        norm=config.norm,
        frozen_stages=config.frozen_stages,
    )


def build_candidate_sampler(config: RPNConfig | RoiSamplingConfig) -> CandidateSampler:
    """Assignment and sampling of either stage."""
    return CandidateSampler(
        fg_iou_thresh=config.fg_iou_thresh,
        bg_iou_thresh=config.bg_iou_thresh,
        low_quality=config.low_quality,
        low_quality_min_iou=config.low_quality_min_iou,
        batch_size_per_image=config.batch_size_per_image,
        positive_fraction=config.positive_fraction,
    )


def build_rpn(config: ModelConfig, sample_count: SampleCount) -> RegionProposalNetwork:
    """RPN head, anchors, loss and proposal selection."""
    rpn, anchors = config.rpn, config.anchors
    return RegionProposalNetwork(
        head=RPNHead(channels=config.fpn.out_channels, anchors_per_cell=len(anchors.aspect_ratios)),
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


def build_box_branch(config: ModelConfig, num_classes: int, sample_count: SampleCount) -> BoxBranch:
    """Second-stage classification and regression."""
    box = config.box
    return BoxBranch(
        pooler=build_pooler(config.roi_align, box.resolution),
        head=BoxHead(
            in_channels=config.fpn.out_channels,
            resolution=box.resolution,
            fc_channels=box.fc_channels,
            num_classes=num_classes,
        ),
        loss=BoxLoss(
            coder_weights=box.coder_weights,
            smooth_l1_beta=box.smooth_l1_beta,
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


# ----------------------------------------------------------------------------------------------------------------- data


def build_dataset(data: DataConfig, split: SplitConfig, key: str) -> Dataset:
    """Reads one split; `key` is its dotted name in the configuration, for messages."""
    if not data.root:
        raise InputError("data.root: wanted the folder of the data set, got nothing")
    if not (split.name or split.annotations):
        raise InputError(f"{key}: wanted a split name or an annotation file, got neither")
    if split.format == "mindrecord":
        return read_mindrecord(folder=Path(data.root) / split.annotations, classes=data.classes)
    files = find_split(root=Path(data.root), name=split.name, annotations=split.annotations, images=split.images)
    if split.format == "txt":
        return read_txt(annotations=files.annotations, images=files.images, classes=data.classes)
    return read_coco(
        annotations=files.annotations,
        images=files.images,
        classes=data.classes,
        ignore_other_categories=data.ignore_other_categories,
    )


def build_input_format(config: Config) -> InputFormat:
    """Input sizes and channel order."""
    return InputFormat(
        buckets=config.data.buckets,
        short_side=config.data.short_side,
        channel_order=config.model.pixel.channel_order,
    )


def build_train_loader(config: Config, dataset: Dataset, *, rank: int = 0, world_size: int = 1) -> TrainLoader:
    """Shuffled, augmented batches of the training split; of several processes, the part of this one."""
    data, augment = config.data, config.data.augment
    if config.model.mask is not None:
        dataset.require_masks()
    mean = config.model.pixel.mean
    red, green, blue = mean if config.model.pixel.channel_order == "rgb" else mean[::-1]
    return TrainLoader(
        records=training_records(dataset, keep_empty_images=data.keep_empty_images),
        input_format=build_input_format(config),
        object_format=ObjectFormat(
            max_objects=data.max_objects,
            mask_side=data.mask_side if config.model.mask is not None else 1,
        ),
        augment=Augment(
            flip_prob=augment.flip_prob,
            short_sides=augment.short_sides,
            photometric_prob=augment.photometric_prob,
            expand_prob=augment.expand_prob,
            expand_max_ratio=augment.expand_max_ratio,
            expand_fill=(red, green, blue),
            crop_prob=augment.crop_prob,
            crop_min_scale=augment.crop_min_scale,
        ),
        batch_size=config.train.batch_size,
        seed=config.train.seed,
        workers=data.workers,
        prefetch=data.prefetch,
        rank=rank,
        world_size=world_size,
    )


def build_eval_loader(config: Config, records: Sequence[Record]) -> EvalLoader:
    """Every record once, for evaluation and inference."""
    return EvalLoader(
        records=records,
        input_format=build_input_format(config),
        batch_size=config.eval.batch_size,
        workers=config.data.workers,
        prefetch=config.data.prefetch,
    )


# ------------------------------------------------------------------------------------------------------------- training


def build_plan(train: TrainConfig, batches_per_epoch: int) -> Plan:
    """Length of the training and its events. InputError where an epoch has too few batches for one step."""
    steps_per_epoch = batches_per_epoch // train.accumulate
    if steps_per_epoch == 0:
        raise InputError(
            f"train.accumulate: wanted at most the {batches_per_epoch} batches of an epoch, got {train.accumulate}"
        )
    return Plan(
        total_steps=rates.in_steps(train.schedule.length, unit=train.schedule.unit, steps_per_epoch=steps_per_epoch),
        steps_per_epoch=steps_per_epoch,
        eval_every=train.eval_every,
        save_every=train.save_every,
    )


def global_batch(train: TrainConfig, *, world_size: int = 1) -> int:
    """Images of one step of the optimizer, of all processes together."""
    return train.batch_size * train.accumulate * world_size


def peak_learning_rate(train: TrainConfig, *, world_size: int = 1) -> float:
    """The rate after warm-up: base_lr, scaled to the global batch where the switch says so."""
    schedule = train.schedule
    if not schedule.scale_lr:
        return schedule.base_lr
    images = global_batch(train, world_size=world_size)
    return rates.scale_lr(schedule.base_lr, global_batch=images, reference_batch=schedule.reference_batch)


def build_learning_rates(train: TrainConfig, plan: Plan, *, world_size: int = 1) -> np.ndarray:
    """Learning rate of every step, float32 [total_steps]."""
    schedule, peak = train.schedule, peak_learning_rate(train, world_size=world_size)
    if schedule.kind == "cosine":
        decayed = rates.cosine(base_lr=peak, total_steps=plan.total_steps, final_ratio=schedule.final_ratio)
    else:
        decayed = rates.multistep(
            base_lr=peak,
            total_steps=plan.total_steps,
            milestones=_milestone_steps(schedule, plan.steps_per_epoch),
            gamma=schedule.gamma,
        )
    return rates.linear_warmup(decayed, steps=schedule.warmup_iterations, ratio=schedule.warmup_ratio)


def _milestone_steps(schedule: ScheduleConfig, steps_per_epoch: int) -> list[int]:
    return [
        rates.in_steps(milestone, unit=schedule.unit, steps_per_epoch=steps_per_epoch)
        for milestone in schedule.milestones
    ]
