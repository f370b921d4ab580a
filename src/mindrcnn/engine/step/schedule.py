"""Learning-rate schedules as plain arrays, (total_steps,) float32: entry i is the rate of step i.

A schedule is a decay curve, `multistep` or `cosine`, multiplied by `linear_warmup`, all counted in steps; `to_steps`
converts epochs.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np


def to_steps(amount: int, *, unit: Literal["epoch", "iteration"], steps_per_epoch: int) -> int:
    """Converts epochs or iterations to a number of optimizer steps."""
    return amount * steps_per_epoch if unit == "epoch" else amount


def scale_lr(base_lr: float, *, global_batch: int, reference_batch: int) -> float:
    """Applies the linear scaling rule (Goyal et al., 2017): the rate grows with the number of images per step."""
    return base_lr * global_batch / reference_batch


def multistep(*, base_lr: float, total_steps: int, milestones: Sequence[int], gamma: float) -> np.ndarray:
    """Returns base_lr, multiplied by gamma at each milestone, a step number."""
    passed = np.searchsorted(np.asarray(milestones, np.int64), np.arange(total_steps), side="right")
    return (base_lr * np.power(gamma, passed.astype(np.float64))).astype(np.float32)


def cosine(*, base_lr: float, total_steps: int, final_ratio: float = 0.0) -> np.ndarray:
    """Returns half a cosine from base_lr at step 0 towards base_lr * final_ratio, reached one step after the last.

    This is Loshchilov and Hutter, 2017, without restarts, in the form of detectron2's WarmupCosineLR.
    """
    progress = np.arange(total_steps, dtype=np.float64) / max(total_steps, 1)
    ratio = final_ratio + (1.0 - final_ratio) * 0.5 * (1.0 + np.cos(np.pi * progress))
    return (base_lr * ratio).astype(np.float32)


def linear_warmup(rates: np.ndarray, *, steps: int, ratio: float) -> np.ndarray:
    """Multiplies the first `steps` rates by a linear ramp from `ratio` at step 0 to 1 at step `steps`."""
    factors = np.ones(len(rates))
    ramp = min(steps, len(rates))
    factors[:ramp] = ratio + (1.0 - ratio) * np.arange(ramp) / max(steps, 1)
    return (rates * factors).astype(np.float32)
