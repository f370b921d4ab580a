"""The keys under `train`: optimizer, schedule, loss scale, averaging, checkpoints and logging."""

# ruff: noqa: RUF009 - key() is dataclasses.field with a meaning and limits

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrcnn.config.schema import key, require


@dataclass(frozen=True)
class ParameterGroupConfig:
    """Parameters with their own learning rate or weight decay; the first entry that matches a name applies."""

    match: str = key("", "Prefix of the parameters' names; each entry must match a parameter that trains.")
    lr_factor: float = key(1.0, "Factor on the learning rate.", low=0)
    decay_factor: float = key(1.0, "Factor on weight_decay.", low=0)

    def __post_init__(self) -> None:
        require(bool(self.match), "train.optimizer.groups", "a name prefix in match", self.match)


@dataclass(frozen=True)
class SGDConfig:
    """SGD with momentum; the default type."""

    type: Literal["sgd"] = key("sgd", "Optimizer type.")
    momentum: float = key(0.9, "Momentum.", low=0, high=1)
    nesterov: bool = key(False, "Nesterov momentum.")
    weight_decay: float = key(1e-4, "L2 penalty on weights.", low=0)
    decay_norm_and_bias: bool = key(False, "Apply the penalty to normalisation parameters and biases too.")
    clip_norm: float = key(0.0, "Upper limit on the global gradient norm; 0 disables clipping.", low=0)
    groups: tuple[ParameterGroupConfig, ...] = key((), "Parameters with their own learning rate or weight decay.")


@dataclass(frozen=True)
class AdamWConfig:
    """Adam with decoupled weight decay; needs a far smaller train.schedule.base_lr than SGD, for example 1e-4."""

    type: Literal["adamw"] = key("adamw", "Optimizer type.")
    betas: tuple[float, float] = key(
        (0.9, 0.999),
        "Decay rates of the averages of the gradient and the squared gradient.",
        low=1e-6,
        high=0.999999,
    )
    eps: float = key(1e-8, "Added to the square root of the average squared gradient.", low=1e-12)
    weight_decay: float = key(0.01, "Weight decay per step, as a factor on the learning rate.", low=0)
    decay_norm_and_bias: bool = key(False, "As in sgd.")
    clip_norm: float = key(0.0, "As in sgd.", low=0)
    groups: tuple[ParameterGroupConfig, ...] = key((), "As in sgd.")


@dataclass(frozen=True)
class AdamConfig:
    """Adam with an L2 penalty as part of the gradient; adamw usually trains detectors better."""

    type: Literal["adam"] = key("adam", "Optimizer type.")
    betas: tuple[float, float] = key((0.9, 0.999), "As in adamw.", low=1e-6, high=0.999999)
    eps: float = key(1e-8, "As in adamw.", low=1e-12)
    weight_decay: float = key(0.0, "L2 penalty on weights.", low=0)
    decay_norm_and_bias: bool = key(False, "As in sgd.")
    clip_norm: float = key(0.0, "As in sgd.", low=0)
    groups: tuple[ParameterGroupConfig, ...] = key((), "As in sgd.")


@dataclass(frozen=True)
class EMAConfig:
    """Exponential moving average of the parameters; when on, it is what is evaluated, saved as best and exported."""

    decay: float = key(0.0, "Share of the average that each step keeps, e.g. 0.9998; 0 turns it off.", low=0, high=1)
    warmup: float = key(10.0, "After n steps the share is at most (1 + n) / (warmup + n); 1 removes this limit.", low=1)


@dataclass(frozen=True)
class StaticLossScaleConfig:
    """A constant loss scale; steps whose gradients overflow are skipped."""

    type: Literal["static"] = key("static", "Type of loss scale.")
    scale: float = key(1024.0, "Loss scale.", low=1)


@dataclass(frozen=True)
class DynamicLossScaleConfig:
    """A loss scale that drops when gradients overflow, skipping that step, and rises again later."""

    type: Literal["dynamic"] = key("dynamic", "Type of loss scale.")
    initial: float = key(65536.0, "Initial scale.", low=1, high=16777216)
    factor: float = key(2.0, "Divides the scale at an overflow, and multiplies it when it rises.", low=1.001)
    window: int = key(2000, "Number of steps without overflow after which the scale rises.", low=1)


@dataclass(frozen=True)
class ScheduleConfig:
    """Learning-rate schedule and training length."""

    kind: Literal["multistep", "cosine"] = key("multistep", "Decay after warm-up.")
    base_lr: float = key(0.02, "Learning rate at a global batch of reference_batch images.", low=0)
    scale_lr: bool = key(True, "Scale base_lr by global batch / reference_batch (linear rule); the result is printed.")
    reference_batch: int = key(16, "Global batch size that base_lr was tuned for.", low=1)
    unit: Literal["epoch", "iteration"] = key("epoch", "Unit of `length` and `milestones`.")
    length: int = key(12, "Training length, in `unit`s.", low=1)
    milestones: tuple[int, ...] = key((8, 11), "multistep: when the rate is multiplied by gamma, in `unit`s.", low=1)
    gamma: float = key(0.1, "multistep: factor on the rate at each milestone.", low=0, high=1)
    final_ratio: float = key(0.0, "cosine: final rate, as a fraction of the base rate.", low=0, high=1)
    min_lr: float = key(0.0, "Lower limit on the rate, the warm-up excepted; scale_lr does not scale it.", low=0)
    warmup_iterations: int = key(1000, "Length of the linear warm-up, in iterations.", low=0)
    warmup_ratio: float = key(0.001, "Rate at the start of the warm-up, as a fraction of the base rate.", low=0, high=1)

    def __post_init__(self) -> None:
        if self.kind == "multistep":
            increasing = all(a < b for a, b in zip(self.milestones, self.milestones[1:], strict=False))
            require(increasing, "train.schedule.milestones", "increasing numbers", self.milestones)
        wanted = f"at most base_lr ({self.base_lr:g})"
        require(self.min_lr <= self.base_lr, "train.schedule.min_lr", wanted, self.min_lr)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of training."""

    batch_size: int = key(2, "Images per device and step; N devices process N times as many.", low=1)
    seed: int = key(0, "Seed for initialisation, image order, augmentation and sampling.", low=0)
    accumulate: int = key(
        1,
        "Batches whose gradients are averaged for one optimizer step; all counts of steps are of optimizer steps.",
        low=1,
    )
    optimizer: SGDConfig | AdamWConfig | AdamConfig = key(SGDConfig, "Optimizer, selected by its `type`.")
    schedule: ScheduleConfig = key(ScheduleConfig, "Learning-rate schedule and training length.")
    freeze: tuple[str, ...] = key(
        (), "Name prefixes of parameters to keep frozen; each prefix must match at least one parameter."
    )
    mask_branch: bool = key(
        True,
        "Train the mask branch. false leaves it as it is, so that data with boxes only can train the rest; masks are "
        "then evaluated only where the data has them, and boxes decide which checkpoint is `best`.",
    )
    init_checkpoint: str = key(
        "",
        "Checkpoint to load parameters from before training, a file or a published model's name. If its list of "
        "classes differs, the class outputs are re-initialised; if its mask branch has another type or is missing, the "
        "mask branch is. Without model.mask its mask branch is left out.",
    )
    precision: Literal["float32", "float16"] = key(
        "float32", "float16: compute convolutions and matrix products in float16 (GPU and Ascend); set loss_scale too."
    )
    ema: EMAConfig = key(EMAConfig, "Moving average of the parameters.")
    precise_bn: int = key(
        0,
        "Number of batches over which the statistics of batch norms are re-estimated before each save and evaluation "
        "(detectron2's TEST.PRECISE_BN.NUM_ITER, 200 there); 0 keeps the moving averages of training.",
        low=0,
        high=100000,
    )
    loss_scale: StaticLossScaleConfig | DynamicLossScaleConfig | None = key(
        None, "Loss scale for float16, selected by its `type`; null for none."
    )
    patience: int = key(
        0, "Stop after this many evaluations in a row without a better eval.best_metric; 0 never stops early.", low=0
    )
    keep_last: int = key(
        0, "Number of most recent checkpoints to keep as step_STEP.ckpt, in addition to `last`.", low=0
    )
    keep_best: int = key(
        0, "Number of best checkpoints to keep as best_METRIC_step_STEP.ckpt, in addition to `best`.", low=0
    )
    eval_every: float = key(
        1.0, "Number of epochs between evaluations, also a fraction such as 0.5; 0 evaluates only at the end.", low=0
    )
    eval_every_steps: int = key(0, "Number of steps between evaluations, instead of eval_every; 0 for none.", low=0)
    save_every: float = key(
        1.0, "Number of epochs (not of steps) between saves of `last`, also a fraction such as 0.5.", low=1e-4
    )
    save_every_steps: int = key(0, "Number of steps between saves of `last`, instead of save_every; 0 for none.", low=0)
    report: bool = key(True, "Write report.html (report.md) about the last evaluation when training ends.")
    log_every: int = key(20, "Number of steps between progress lines, and between rows of metrics.", low=1)
    log_to: tuple[Literal["tensorboard", "mlflow", "summary_record"], ...] = key(
        (), "Extra destinations of metrics and pictures: TensorBoard event files, an MLflow run, a SummaryRecord."
    )

    def __post_init__(self) -> None:
        require(not (self.precise_bn and self.ema.decay), "train.precise_bn", "0 with train.ema", self.precise_bn)
        if self.schedule.unit == "epoch":
            epochs = self.schedule.length
            wanted = f"at most the {epochs} epochs of the run (train.save_every_steps counts steps)"
            require(self.save_every <= epochs, "train.save_every", wanted, self.save_every)
