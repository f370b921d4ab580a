"""A whole run's configuration: every key with its type, default, limits and meaning.

Frozen dataclasses; the parts `model`, `data` and `train` have files of their own. `loader.py` fills them from YAML and
the command line, `reference.py` renders them as docs/configuration.md. Nothing but build/ and the programs imports
them. Derived numbers (anchor counts, feature sizes, steps) are never stored here.
"""

# ruff: noqa: RUF009 - key() is dataclasses.field with a meaning and limits

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrcnn.config.data import DataConfig
from mindrcnn.config.model import ModelConfig
from mindrcnn.config.schema import key, require
from mindrcnn.config.train import (
    AdamWConfig,
    DynamicLossScaleConfig,
    EMAConfig,
    SGDConfig,
    StaticLossScaleConfig,
)
from mindrcnn.data.formats.registry import FORMATS, find_format


@dataclass(frozen=True)
class ScheduleConfig:
    """Learning rate over time."""

    kind: Literal["multistep", "cosine"] = key("multistep", "Decay after warm-up.")
    base_lr: float = key(0.02, "Learning rate for a global batch of reference_batch images.", low=0)
    scale_lr: bool = key(True, "Scale base_lr by global batch / reference_batch (linear rule); the result is logged.")
    reference_batch: int = key(16, "Global batch size that base_lr was chosen for.", low=1)
    unit: Literal["epoch", "iteration"] = key("epoch", "Unit of `length` and `milestones`.")
    length: int = key(12, "Length of training, in `unit`.", low=1)
    milestones: tuple[int, ...] = key(
        (8, 11), "multistep: times, in `unit`, at which the rate is multiplied by gamma.", low=1
    )
    gamma: float = key(0.1, "multistep: factor at each milestone.", low=0, high=1)
    final_ratio: float = key(0.0, "cosine: ratio of final to base rate.", low=0, high=1)
    warmup_iterations: int = key(1000, "Length of the linear warm-up in iterations.", low=0)
    warmup_ratio: float = key(0.001, "Ratio of first to base rate.", low=0, high=1)

    def __post_init__(self) -> None:
        if self.kind == "multistep":
            rising = all(a < b for a, b in zip(self.milestones, self.milestones[1:], strict=False))
            require(rising, "train.schedule.milestones", "rising numbers", self.milestones)


@dataclass(frozen=True)
class TrainConfig:
    """Training."""

    batch_size: int = key(2, "Images per device and step; N devices take N times as many.", low=1)
    seed: int = key(0, "Seed of initialisation, order of images, augmentation and sampling.", low=0)
    accumulate: int = key(
        1,
        "Number of batches whose gradients are averaged for one optimizer step; steps and epochs count these steps.",
        low=1,
    )
    optimizer: SGDConfig | AdamWConfig = key(SGDConfig, "Optimizer by its type.")
    schedule: ScheduleConfig = key(ScheduleConfig, "Learning-rate schedule and length.")
    freeze: tuple[str, ...] = key(
        (), "Prefixes of the names of parameters that do not train; each must match at least one."
    )
    init_checkpoint: str = key(
        "",
        "Checkpoint to start from. Layers whose outputs are classes are re-initialised if the list of classes differs, "
        "and the mask branch if the checkpoint has one of another type or none.",
    )
    precision: Literal["float32", "float16"] = key(
        "float32",
        "float16: compute convolutions and matrix products in float16 (GPU and Ascend); use it with a loss_scale.",
    )
    ema: EMAConfig = key(EMAConfig, "Moving average of the parameters.")
    loss_scale: StaticLossScaleConfig | DynamicLossScaleConfig | None = key(
        None, "Loss scale by its type, for float16; null for none."
    )
    patience: int = key(
        0, "Stop after this many evaluations in a row without a better eval.best_metric; 0: never.", low=0
    )
    keep_last: int = key(0, "Number of most recent checkpoints to keep, as step_STEP.ckpt.", low=0)
    keep_best: int = key(0, "Number of best checkpoints to keep, as best_METRIC_step_STEP.ckpt.", low=0)
    eval_every: int = key(1, "Epochs between evaluations; 0: only at the end.", low=0)
    save_every: int = key(1, "Epochs between saves of last.ckpt.", low=1)
    log_every: int = key(20, "Steps between progress lines, and between rows of metrics.jsonl.", low=1)
    log_to: tuple[Literal["tensorboard", "mlflow", "summary_record"], ...] = key(
        (),
        "Further places for metrics and pictures: TensorBoard event files, an MLflow run, MindSpore's SummaryRecord.",
    )


@dataclass(frozen=True)
class EvalConfig:
    """Evaluation and inference."""

    batch_size: int = key(1, "Images per forward pass.", low=1)
    mask_thresh: float = key(0.5, "Probability from which a pixel belongs to the object.", low=0, high=1)
    backend: Literal["faster_coco_eval", "pycocotools"] = key(
        "faster_coco_eval", "COCO evaluator; both give the same results."
    )
    boundary: bool = key(False, "Also evaluate masks by boundary IoU; requires the backend faster_coco_eval.")
    best_metric: Literal["auto", "bbox", "segm"] = key(
        "auto", "AP that decides which checkpoint is best; auto: segm for models with masks, else bbox."
    )
    pictures: int = key(8, "Number of validation images drawn with their predictions after an evaluation.", low=0)
    picture_score: float = key(0.5, "Lowest score of a drawn prediction.", low=0, high=1)


@dataclass(frozen=True)
class DeviceConfig:
    """Device and execution mode."""

    target: Literal["CPU", "GPU", "Ascend"] = key("CPU", "MindSpore device target.")
    id: int = key(0, "Device number; the launcher's setting takes precedence.", low=0)
    mode: Literal["graph", "pynative"] = key("graph", "graph: compile each step; pynative: run eagerly, for debugging.")
    deterministic: bool = key(
        False,
        "GPU and Ascend: use slower operators that give the same results in every run, as those of a CPU always do.",
    )


@dataclass(frozen=True)
class Config:
    """A whole run."""

    name: str = key("run", "Name of the run and of its folder under runs/.")
    model: ModelConfig = key(ModelConfig, "Detector.")
    data: DataConfig = key(DataConfig, "Data.")
    train: TrainConfig = key(TrainConfig, "Training.")
    eval: EvalConfig = key(EvalConfig, "Evaluation.")
    device: DeviceConfig = key(DeviceConfig, "Device.")

    def __post_init__(self) -> None:
        log_to = self.train.log_to
        require(len(set(log_to)) == len(log_to), "train.log_to", "names without repeats", log_to)
        usable = bool(self.name) and self.name not in (".", "..") and not set(self.name) & set("/\\")
        require(usable, "name", "a folder name without slashes", self.name)
        if self.model.mask is None:
            require(self.eval.best_metric != "segm", "eval.best_metric", "auto or bbox without model.mask", "segm")
            require(not self.eval.boundary, "eval.boundary", "false without model.mask", True)
            require(
                not self.model.box.train_on_pred_boxes,
                "model.box.train_on_pred_boxes",
                "false without model.mask",
                True,
            )
        else:
            name = self.data.train.format
            with_masks = ", ".join(known.name for known in FORMATS.values() if known.has_masks)
            wanted = f"one of {with_masks} with model.mask: {name} has no masks"
            require(find_format(name).has_masks, "data.train.format", wanted, name)
        if self.device.target == "CPU":
            wanted = "float32 with device.target=CPU, which has no fast float16"
            require(self.train.precision == "float32", "train.precision", wanted, self.train.precision)
        if self.eval.boundary:
            require(
                self.eval.backend == "faster_coco_eval",
                "eval.backend",
                "faster_coco_eval with eval.boundary",
                self.eval.backend,
            )
        if self.model.mask is not None and self.model.mask.dynamic:
            mode = self.device.mode
            require(mode == "pynative", "device.mode", "pynative with model.mask.dynamic", mode)
