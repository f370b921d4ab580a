"""Every configuration key: its type, default, limits and meaning.

Frozen dataclasses; `config_loader.py` fills them from YAML and the command line, `config_docs.py` renders them as
docs/configuration.md. Nothing but build.py and the programs imports this module. Derived numbers (anchor counts,
feature sizes, steps) are never stored here.
"""

# ruff: noqa: RUF009 - key() is dataclasses.field with a meaning and limits

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

INPUT_STRIDE = 32  # coarsest backbone stride: FPN's top-down 2x upsampling is exact only on multiples of it


def key(default: Any = MISSING, doc: str = "", *, low: float | None = None, high: float | None = None) -> Any:
    """A documented configuration key; `low` and `high` are inclusive limits on a number or on each of a tuple."""
    metadata = {"doc": doc, "low": low, "high": high}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _require(condition: bool, name: str, wanted: str, got: object) -> None:
    if not condition:
        raise ValueError(f"{name}: wanted {wanted}, got {got!r}")


# ---------------------------------------------------------------------------------------------------------------- model


@dataclass(frozen=True)
class PixelConfig:
    """How pixel values enter the network; published weights each need their own."""

    channel_order: Literal["rgb", "bgr"] = key("rgb", "Order of the colour channels the backbone was trained on.")
    mean: tuple[float, float, float] = key((123.675, 116.28, 103.53), "Subtracted, in channel_order, 0..255 scale.")
    std: tuple[float, float, float] = key(
        (58.395, 57.12, 57.375), "Divisor after the mean, in channel_order.", low=1e-6
    )


@dataclass(frozen=True)
class BackboneConfig:
    """The convolutional trunk."""

    name: Literal["resnet50", "resnet101", "mobilenet_v1"] = key("resnet50", "Architecture.")
    stride_in: Literal["3x3", "1x1"] = key(
        "3x3", "ResNet only: which convolution of a bottleneck has the stride; 3x3 is pytorch style, 1x1 caffe style."
    )
    norm: Literal["frozen", "batch"] = key(
        "frozen", "frozen: stored statistics and affine, never trained; batch: ordinary trainable batch norm."
    )
    frozen_stages: int = key(
        2,
        "Stages that do not train, counted from the stem: 0 none, 1 the stem, 2 stem and first stage, ...",
        low=0,
        high=5,
    )
    weights: str = key(
        "", "ImageNet weights: local file or https URL (torchvision .pth, mindcv .ckpt, .npz); empty: none."
    )
    weights_sha256: str = key(
        "", "Expected SHA-256 of the weights file (at least 8 leading hex digits); empty: not checked."
    )

    def __post_init__(self) -> None:
        digest = self.weights_sha256
        readable = not digest or re.fullmatch("[0-9a-f]{8,64}", digest) is not None
        _require(readable, "model.backbone.weights_sha256", "8 to 64 lower-case hex digits, or nothing", digest)


@dataclass(frozen=True)
class FPNConfig:
    """Feature pyramid P2..P5 plus P6 by stride-2 subsampling of P5."""

    out_channels: int = key(256, "Channels of every pyramid level.", low=1)


@dataclass(frozen=True)
class AnchorConfig:
    """RPN anchors."""

    sizes: tuple[float, ...] = key((32.0, 64.0, 128.0, 256.0, 512.0), "Square root of the area, P2..P6, pixels.", low=1)
    aspect_ratios: tuple[float, ...] = key((0.5, 1.0, 2.0), "Height divided by width.", low=0.01)
    rounded: bool = key(False, "Round anchor corners to whole pixels as torchvision does.")


@dataclass(frozen=True)
class TrainTestPair:
    """One number for training and one for inference."""

    train: int = key(1000, "Value while training.", low=1)
    test: int = key(1000, "Value at inference.", low=1)


@dataclass(frozen=True)
class RPNConfig:
    """Region proposal network: assignment, sampling, losses and proposal selection."""

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
    low_quality_min_iou: float = key(0.0, "Least IoU for a low-quality match (mmdetection 0.3).", low=0, high=1)
    batch_size_per_image: int = key(256, "Anchors sampled per image for the loss.", low=1)
    positive_fraction: float = key(0.5, "Largest share of positives among the sampled anchors.", low=0, high=1)
    normalizer: Literal["batch_size", "sampled"] = key(
        "batch_size",
        "Both losses are divided by batch_size_per_image x images (detectron2) or by the number really sampled "
        "(torchvision, mmdetection).",
    )
    smooth_l1_beta: float = key(0.0, "Where smooth L1 turns linear; 0 is plain L1.", low=0)
    class_weight: float = key(1.0, "Weight of the objectness loss.", low=0)
    box_weight: float = key(1.0, "Weight of the box loss.", low=0)


@dataclass(frozen=True)
class RoiSamplingConfig:
    """Choice of the proposals that train the box and mask branches; ground truth boxes join the proposals."""

    fg_iou_thresh: float = key(0.5, "Proposals at or above this IoU with an object are positive.", low=0, high=1)
    bg_iou_thresh: float = key(0.5, "Proposals below this IoU with every object are negative.", low=0, high=1)
    low_quality: Literal["keep", "overwrite", "off"] = key("off", "As model.rpn.low_quality.")
    low_quality_min_iou: float = key(0.5, "As model.rpn.low_quality_min_iou.", low=0, high=1)
    batch_size_per_image: int = key(512, "Samples per image.", low=1)
    positive_fraction: float = key(0.25, "Largest share of positives among them.", low=0, high=1)


@dataclass(frozen=True)
class RoiAlignConfig:
    """Pooling of box features from the pyramid."""

    aligned: bool = key(True, "Half-pixel corrected sampling (detectron2 v2); false is the legacy form (torchvision).")
    sampling_ratio: int = key(2, "Sample points per bin and axis.", low=1, high=8)


@dataclass(frozen=True)
class BoxConfig:
    """Second-stage classifier and box regressor, and the choice of detections."""

    resolution: int = key(7, "Side of the pooled feature.", low=1)
    fc_channels: int = key(1024, "Width of the two fully connected layers.", low=1)
    coder_weights: tuple[float, float, float, float] = key((10.0, 10.0, 5.0, 5.0), "Scale of dx, dy, dw, dh.", low=1e-6)
    smooth_l1_beta: float = key(0.0, "Where smooth L1 turns linear; 0 is plain L1.", low=0)
    class_weight: float = key(1.0, "Weight of the classification loss.", low=0)
    box_weight: float = key(1.0, "Weight of the box loss.", low=0)
    score_thresh: float = key(0.05, "Detections at or below this score are dropped.", low=0, high=1)
    nms_thresh: float = key(0.5, "IoU above which the weaker of two detections of one class is dropped.", low=0, high=1)
    detections_per_image: int = key(100, "Detections kept per image over all classes.", low=1)
    pre_nms_topk: int = key(1000, "Best class-box pairs of an image that enter NMS.", low=1)


@dataclass(frozen=True)
class MaskRCNNConfig:
    """Mask R-CNN's fully convolutional mask branch."""

    type: Literal["mask_rcnn"] = key("mask_rcnn", "Which mask branch this is.")
    resolution: int = key(14, "Side of the pooled feature; masks come out at twice that.", low=1)
    num_convs: int = key(4, "3x3 convolutions before the upsampling.", low=0)
    channels: int = key(256, "Width of those convolutions.", low=1)
    weight: float = key(1.0, "Weight of the mask loss.", low=0)


@dataclass(frozen=True)
class ModelConfig:
    """The two-stage detector."""

    pixel: PixelConfig = key(PixelConfig, "Input normalisation.")
    backbone: BackboneConfig = key(BackboneConfig, "Trunk.")
    fpn: FPNConfig = key(FPNConfig, "Pyramid.")
    anchors: AnchorConfig = key(AnchorConfig, "Anchors.")
    rpn: RPNConfig = key(RPNConfig, "Region proposals.")
    roi_sampling: RoiSamplingConfig = key(RoiSamplingConfig, "Stage-two sampling.")
    roi_align: RoiAlignConfig = key(RoiAlignConfig, "Pooling.")
    box: BoxConfig = key(BoxConfig, "Box branch.")
    mask: MaskRCNNConfig | None = key(None, "Mask branch by its type; null for Faster R-CNN.")

    def __post_init__(self) -> None:
        _require(
            len(self.anchors.sizes) == 5, "model.anchors.sizes", "5 sizes, one each for P2..P6", self.anchors.sizes
        )
        _require(bool(self.anchors.aspect_ratios), "model.anchors.aspect_ratios", "at least one ratio", ())
        for name, part in (("rpn", self.rpn), ("roi_sampling", self.roi_sampling)):
            _require(
                part.bg_iou_thresh <= part.fg_iou_thresh,
                f"model.{name}.bg_iou_thresh",
                f"at most fg_iou_thresh ({part.fg_iou_thresh})",
                part.bg_iou_thresh,
            )
            _require(
                int(part.batch_size_per_image * part.positive_fraction) >= 1,
                f"model.{name}.positive_fraction",
                f"room for one positive in batch_size_per_image ({part.batch_size_per_image})",
                part.positive_fraction,
            )
        if self.backbone.name == "mobilenet_v1":
            stride_in = self.backbone.stride_in
            _require(stride_in == "3x3", "model.backbone.stride_in", "3x3 with mobilenet_v1", stride_in)


# ----------------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class SplitConfig:
    """Where one split lies. With `annotations` empty it is looked for under data.root by `name`."""

    name: str = key(
        "",
        "Split name, e.g. train2017: finds annotations/instances_NAME.json with NAME/, or NAME/labels.json with "
        "NAME/data/ (also without the year).",
    )
    format: Literal["coco", "txt"] = key("coco", "coco: COCO JSON; txt: rows of `path x1,y1,x2,y2,class ...`.")
    annotations: str = key("", "Annotation file, relative to data.root unless absolute.")
    images: str = key("", "Image folder, relative to data.root unless absolute.")


@dataclass(frozen=True)
class AugmentConfig:
    """Training-time augmentation; every draw is seeded by (seed, epoch, image)."""

    flip_prob: float = key(0.5, "Probability of a horizontal flip.", low=0, high=1)
    short_sides: tuple[int, ...] = key(
        (), "Multi-scale: short side drawn from these, pixels; empty: the bucket's own.", low=1
    )
    photometric_prob: float = key(0.0, "Probability of brightness, contrast, saturation and hue jitter.", low=0, high=1)
    expand_prob: float = key(0.0, "Probability of placing the image on a larger mean-coloured canvas.", low=0, high=1)
    expand_max_ratio: float = key(2.0, "Largest canvas side over image side.", low=1)
    crop_prob: float = key(0.0, "Probability of a random crop that keeps at least one object.", low=0, high=1)
    crop_min_scale: float = key(0.5, "Least crop side over image side.", low=0.05, high=1)


@dataclass(frozen=True)
class DataConfig:
    """Data set, input size and loading."""

    root: str = key("", "Folder that holds the data set.")
    train: SplitConfig = key(SplitConfig, "Training split.")
    val: SplitConfig = key(SplitConfig, "Validation split.")
    classes: tuple[str, ...] = key(
        (), "Class names; label i+1 is classes[i]. Empty: the training annotations' categories by ascending id."
    )
    ignore_other_categories: bool = key(False, "Allow annotations of categories outside `classes`, and leave them out.")
    keep_empty_images: bool = key(False, "Train on images without objects, as negatives.")
    buckets: tuple[tuple[int, int], ...] = key(
        ((800, 1344), (1344, 800)),
        "Input sizes (height, width); an image goes to the one its aspect ratio fits best.",
        low=32,
    )
    short_side: int = key(
        800, "Target length of the short side, pixels; the long side is limited by the bucket.", low=32
    )
    max_objects: int = key(128, "Ground-truth slots per image (G).", low=1)
    mask_side: int = key(112, "Side of the stored box-relative masks (R).", low=14, high=512)
    augment: AugmentConfig = key(AugmentConfig, "Training-time augmentation.")
    workers: int = key(2, "Loader threads; 0 loads in the training thread.", low=0, high=64)
    prefetch: int = key(4, "Batches prepared ahead.", low=1)

    def __post_init__(self) -> None:
        _require(bool(self.buckets), "data.buckets", "at least one (height, width)", self.buckets)
        for height, width in self.buckets:
            divisible = height % INPUT_STRIDE == 0 and width % INPUT_STRIDE == 0
            _require(divisible, "data.buckets", f"sides divisible by {INPUT_STRIDE}", (height, width))
        for name, split in (("train", self.train), ("val", self.val)):
            given = split.format != "txt" or bool(split.annotations)
            _require(given, f"data.{name}.annotations", "the TXT list's path with format txt", split.annotations)
        repeated = sorted({name for name in self.classes if self.classes.count(name) > 1})
        _require(not repeated, "data.classes", "names without repeats", repeated)


# ---------------------------------------------------------------------------------------------------------------- train


@dataclass(frozen=True)
class OptimizerConfig:
    """SGD with momentum."""

    momentum: float = key(0.9, "Momentum.", low=0, high=1)
    nesterov: bool = key(False, "Nesterov momentum.")
    weight_decay: float = key(1e-4, "L2 penalty on weights.", low=0)
    decay_norm_and_bias: bool = key(False, "Apply the penalty to norm parameters and biases too.")
    clip_norm: float = key(0.0, "Largest global gradient norm; 0 does not clip.", low=0)


@dataclass(frozen=True)
class ScheduleConfig:
    """Learning rate over time."""

    kind: Literal["multistep", "cosine"] = key("multistep", "Decay after warm-up.")
    base_lr: float = key(0.02, "Learning rate for a global batch of reference_batch images.", low=0)
    scale_lr: bool = key(True, "Scale base_lr by global batch / reference_batch (linear rule); the result is printed.")
    reference_batch: int = key(16, "Global batch that base_lr was chosen for.", low=1)
    unit: Literal["epoch", "iteration"] = key("epoch", "Unit of length and milestones.")
    length: int = key(12, "Training length in units.", low=1)
    milestones: tuple[int, ...] = key((8, 11), "multistep: units after which the rate is multiplied by gamma.", low=1)
    gamma: float = key(0.1, "multistep: factor at each milestone.", low=0, high=1)
    final_ratio: float = key(0.0, "cosine: final rate over base rate.", low=0, high=1)
    warmup_iterations: int = key(1000, "Linear warm-up, in iterations.", low=0)
    warmup_ratio: float = key(0.001, "First rate over base rate.", low=0, high=1)

    def __post_init__(self) -> None:
        if self.kind == "multistep":
            rising = all(a < b for a, b in zip(self.milestones, self.milestones[1:], strict=False))
            _require(rising, "train.schedule.milestones", "rising numbers", self.milestones)


@dataclass(frozen=True)
class TrainConfig:
    """The training run."""

    batch_size: int = key(2, "Images per device and step.", low=1)
    seed: int = key(0, "Seed of initialisation, order, augmentation and sampling.", low=0)
    optimizer: OptimizerConfig = key(OptimizerConfig, "Optimiser.")
    schedule: ScheduleConfig = key(ScheduleConfig, "Learning-rate schedule and length.")
    freeze: tuple[str, ...] = key(
        (), "Parameters whose names start with one of these do not train; each must match one."
    )
    init_checkpoint: str = key("", "Checkpoint whose parameters are loaded before training.")
    eval_every: int = key(1, "Evaluate after every so many epochs; 0 only at the end.", low=0)
    save_every: int = key(1, "Save `last` after every so many epochs.", low=1)
    log_every: int = key(20, "Progress line and metrics row after every so many steps.", low=1)


# ----------------------------------------------------------------------------------------------------------- evaluation


@dataclass(frozen=True)
class EvalConfig:
    """Evaluation and inference on the host side."""

    batch_size: int = key(1, "Images per forward pass.", low=1)
    mask_thresh: float = key(0.5, "Probability at which a pixel belongs to the object.", low=0, high=1)
    backend: Literal["faster_coco_eval", "pycocotools"] = key(
        "faster_coco_eval", "COCO evaluator; both give equal numbers."
    )
    best_metric: Literal["auto", "bbox", "segm"] = key(
        "auto", "AP that decides `best`; auto is segm where masks exist."
    )
    pictures: int = key(8, "Validation images drawn with their predictions after an evaluation.", low=0)
    picture_score: float = key(0.5, "Least score drawn.", low=0, high=1)


@dataclass(frozen=True)
class DeviceConfig:
    """Where it runs."""

    target: Literal["CPU", "GPU", "Ascend"] = key("CPU", "MindSpore device target.")
    id: int = key(0, "Device number.", low=0)
    mode: Literal["graph", "pynative"] = key("graph", "graph compiles each step; pynative runs eagerly, for debugging.")


@dataclass(frozen=True)
class Config:
    """A whole run."""

    name: str = key("run", "Name of the run; its folder under runs/ is named after it.")
    model: ModelConfig = key(ModelConfig, "Detector.")
    data: DataConfig = key(DataConfig, "Data.")
    train: TrainConfig = key(TrainConfig, "Training.")
    eval: EvalConfig = key(EvalConfig, "Evaluation.")
    device: DeviceConfig = key(DeviceConfig, "Device.")

    def __post_init__(self) -> None:
        usable = bool(self.name) and self.name not in (".", "..") and not set(self.name) & set("/\\")
        _require(usable, "name", "a folder name without slashes", self.name)
        if self.model.mask is None:
            _require(self.eval.best_metric != "segm", "eval.best_metric", "auto or bbox without model.mask", "segm")
        else:
            _require(
                self.data.train.format != "txt", "data.train.format", "coco with model.mask: txt has no masks", "txt"
            )
