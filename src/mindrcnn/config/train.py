"""The parts of the keys under `train` that come in types: the optimizer and the loss scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrcnn.config.schema import key, require


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
