"""The keys under `train`: optimizer, schedule, loss scale, averaging, checkpoints and logging."""

# ruff: noqa: RUF009 - key() is dataclasses.field with a meaning and limits

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrcnn.config.key import key, require


@dataclass(frozen=True)
class ParameterGroupConfig:
    """Parameters with a learning rate or weight decay of their own; the first entry that matches a name counts."""

    match: str = key("", "What the names of the parameters begin with; an entry must match one that trains.")
    lr_factor: float = key(1.0, "Times the learning rate.", low=0)
    decay_factor: float = key(1.0, "Times weight_decay.", low=0)

    def __post_init__(self) -> None:
        require(bool(self.match), "train.optimizer.groups", "match to be the beginning of a name", self.match)


@dataclass(frozen=True)
class SGDConfig:
    """SGD with momentum; the type where none is given."""

    type: Literal["sgd"] = key("sgd", "Which optimizer this is.")
    momentum: float = key(0.9, "Momentum.", low=0, high=1)
    nesterov: bool = key(False, "Nesterov momentum.")
    weight_decay: float = key(1e-4, "L2 penalty on weights.", low=0)
    decay_norm_and_bias: bool = key(False, "Apply the penalty to norm parameters and biases too.")
    clip_norm: float = key(0.0, "Largest global gradient norm; 0 does not clip.", low=0)
    groups: tuple[ParameterGroupConfig, ...] = key((), "Parameters for which something differs.")


@dataclass(frozen=True)
class AdamWConfig:
    """Adam with decoupled weight decay; wants a far smaller train.schedule.base_lr than SGD, 1e-4 for example."""

    type: Literal["adamw"] = key("adamw", "Which optimizer this is.")
    betas: tuple[float, float] = key(
        (0.9, 0.999), "Decay of the averages of gradient and squared gradient.", low=1e-6, high=0.999999
    )
    eps: float = key(1e-8, "Added to the root of the average squared gradient.", low=1e-12)
    weight_decay: float = key(0.01, "Decay of weights in a step, times the learning rate.", low=0)
    decay_norm_and_bias: bool = key(False, "As in sgd.")
    clip_norm: float = key(0.0, "As in sgd.", low=0)
    groups: tuple[ParameterGroupConfig, ...] = key((), "As in sgd.")


@dataclass(frozen=True)
class EMAConfig:
    """Exponential moving average of the parameters, which is then what is evaluated, saved as best and exported."""

    decay: float = key(0.0, "Share of the average that a step keeps, 0.9998 for example; 0: no average.", low=0, high=1)
    warmup: float = key(10.0, "After n steps the share is at most (1 + n) / (warmup + n); 1: no such limit.", low=1)


@dataclass(frozen=True)
class StaticLossScaleConfig:
    """A loss scale that stays; steps whose gradients overflow are skipped."""

    type: Literal["static"] = key("static", "Which kind of scale this is.")
    scale: float = key(1024.0, "The scale.", low=1)


@dataclass(frozen=True)
class DynamicLossScaleConfig:
    """A loss scale that falls at an overflow, whose step is skipped, and rises again."""

    type: Literal["dynamic"] = key("dynamic", "Which kind of scale this is.")
    initial: float = key(65536.0, "First scale.", low=1, high=16777216)
    factor: float = key(2.0, "Divides the scale at an overflow and multiplies it later.", low=1.001)
    window: int = key(2000, "Steps without an overflow after which the scale rises.", low=1)


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
            require(rising, "train.schedule.milestones", "rising numbers", self.milestones)


@dataclass(frozen=True)
class TrainConfig:
    """The training run."""

    batch_size: int = key(2, "Images per device and step: N devices take N times as many.", low=1)
    seed: int = key(0, "Seed of initialisation, order, augmentation and sampling.", low=0)
    accumulate: int = key(
        1,
        "Batches whose gradients are averaged for one step of the optimizer; steps and epochs count such steps.",
        low=1,
    )
    optimizer: SGDConfig | AdamWConfig = key(SGDConfig, "Optimizer by its type.")
    schedule: ScheduleConfig = key(ScheduleConfig, "Learning-rate schedule and length.")
    freeze: tuple[str, ...] = key(
        (), "Parameters whose names start with one of these do not train; each must match one."
    )
    init_checkpoint: str = key(
        "",
        "Checkpoint whose parameters are loaded before training. With another list of classes the outputs of classes "
        "start anew; with a mask branch of another type, or none, the mask branch does.",
    )
    precision: Literal["float32", "float16"] = key(
        "float32", "float16: convolutions and matrix products in it (GPU and Ascend); give a loss_scale with it."
    )
    ema: EMAConfig = key(EMAConfig, "Average of the parameters.")
    loss_scale: StaticLossScaleConfig | DynamicLossScaleConfig | None = key(
        None, "Loss scale by its type, for float16; null for none."
    )
    patience: int = key(
        0, "End the training after so many evaluations in a row without a better eval.best_metric; 0 never.", low=0
    )
    keep_last: int = key(0, "Keep the so many newest saves of `last` as step_STEP.ckpt too.", low=0)
    keep_best: int = key(0, "Keep the so many best evaluated states as best_METRIC_step_STEP.ckpt too.", low=0)
    eval_every: int = key(1, "Evaluate after every so many epochs; 0 only at the end.", low=0)
    save_every: int = key(1, "Save `last` after every so many epochs.", low=1)
    log_every: int = key(20, "Progress line and metrics row after every so many steps.", low=1)
    log_to: tuple[Literal["tensorboard", "mlflow", "summary_record"], ...] = key(
        (), "Where the numbers and pictures go too: TensorBoard event files, an MLflow run, MindSpore's SummaryRecord."
    )
