"""The sections under `train` that come in several types, optimizer and loss scale, and the parameter average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrcnn.config.schema import key, require


@dataclass(frozen=True)
class ParameterGroupConfig:
    """A group of parameters with its own learning rate or weight decay; the first entry that matches a name applies."""

    match: str = key("", "Prefix of the parameters' names; must match at least one parameter that trains.")
    lr_factor: float = key(1.0, "Factor on the learning rate.", low=0)
    decay_factor: float = key(1.0, "Factor on weight_decay.", low=0)

    def __post_init__(self) -> None:
        require(bool(self.match), "train.optimizer.groups", "match to be a prefix of names", self.match)


@dataclass(frozen=True)
class SGDConfig:
    """SGD with momentum; the default type."""

    type: Literal["sgd"] = key("sgd", "Type of the optimizer.")
    momentum: float = key(0.9, "Momentum.", low=0, high=1)
    nesterov: bool = key(False, "Nesterov momentum.")
    weight_decay: float = key(1e-4, "L2 penalty on weights.", low=0)
    decay_norm_and_bias: bool = key(False, "Apply weight decay to norm parameters and biases too.")
    clip_norm: float = key(0.0, "Largest global norm of the gradients; 0: no clipping.", low=0)
    groups: tuple[ParameterGroupConfig, ...] = key(
        (), "Groups of parameters with their own learning rate or weight decay."
    )


@dataclass(frozen=True)
class AdamWConfig:
    """Adam with decoupled weight decay; needs a far smaller train.schedule.base_lr than SGD, for example 1e-4."""

    type: Literal["adamw"] = key("adamw", "Type of the optimizer.")
    betas: tuple[float, float] = key(
        (0.9, 0.999), "Decay rates of the averages of gradient and squared gradient.", low=1e-6, high=0.999999
    )
    eps: float = key(1e-8, "Added to the root of the average squared gradient.", low=1e-12)
    weight_decay: float = key(0.01, "Decay of the weights in each step, times the learning rate.", low=0)
    decay_norm_and_bias: bool = key(False, "Same as in sgd.")
    clip_norm: float = key(0.0, "Same as in sgd.", low=0)
    groups: tuple[ParameterGroupConfig, ...] = key((), "Same as in sgd.")


@dataclass(frozen=True)
class EMAConfig:
    """Exponential moving average of the parameters. If on, the average is evaluated, saved as best and exported."""

    decay: float = key(0.0, "Decay of the average in each step, for example 0.9998; 0: no average.", low=0, high=1)
    warmup: float = key(10.0, "After n steps the decay is at most (1 + n) / (warmup + n); 1: no limit.", low=1)


@dataclass(frozen=True)
class StaticLossScaleConfig:
    """A constant loss scale; steps whose gradients overflow are skipped."""

    type: Literal["static"] = key("static", "Type of the loss scale.")
    scale: float = key(1024.0, "The scale.", low=1)


@dataclass(frozen=True)
class DynamicLossScaleConfig:
    """A loss scale that is reduced at an overflow, whose step is skipped, and rises again later."""

    type: Literal["dynamic"] = key("dynamic", "Type of the loss scale.")
    initial: float = key(65536.0, "Initial scale.", low=1, high=16777216)
    factor: float = key(
        2.0, "Divisor of the scale at an overflow, and its multiplier after `window` steps without one.", low=1.001
    )
    window: int = key(2000, "Number of steps without an overflow after which the scale rises.", low=1)
