"""Loss scaling, with which small gradients survive float16 (Micikevicius et al., Mixed Precision Training, 2018).

The loss is multiplied by a scale before the backward pass, and the gradients are divided by it afterwards. A step whose
gradients overflow is skipped.
"""

import logging
import math
from collections.abc import Mapping
from typing import Protocol

from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

# Powers of two lose no digits. A scale below 1 would defeat the purpose; NVIDIA's Apex stops at 2**24 as well.
MIN_SCALE, MAX_SCALE = 1.0, 2.0**24
# From 2**24 it takes 24 halvings to reach 1: if gradients still overflow after that, the scale is not the cause.
MAX_OVERFLOWS_IN_A_ROW = 32


class LossScale(Protocol):
    """The scale of the next step's loss, and the decision whether to carry out the step."""

    @property
    def scale(self) -> float: ...

    def accepts(self, norm: float) -> bool:
        """Decides whether to carry out a step whose gradients, divided by the scale, have this norm."""
        ...

    def state(self) -> dict[str, float]:
        """Returns the values that a checkpoint stores."""
        ...

    def restore(self, state: Mapping[str, float]) -> None:
        """Continues from a checkpoint's state; the empty state of a run without a loss scale changes nothing."""
        ...


class NoLossScale:
    """Scale 1; every step is carried out, so that one with infinite gradients is noticed."""

    scale = 1.0

    def accepts(self, norm: float) -> bool:
        return True

    def state(self) -> dict[str, float]:
        return {}

    def restore(self, state: Mapping[str, float]) -> None:
        return


class LossScaler:
    """A scale that is divided by `factor` at an overflow and multiplied by it after `window` steps without one.

    factor: 1 for a fixed scale.
    """

    def __init__(self, *, scale: float, factor: float, window: int) -> None:
        self.scale = scale
        self.factor = factor
        self.window = window
        self.good_steps = 0
        self.skipped = 0
        self.overflows_in_a_row = 0

    def accepts(self, norm: float) -> bool:
        """Accepts a finite norm. Raises InputError after too many others in a row."""
        if math.isfinite(norm):
            self.overflows_in_a_row = 0
            self.good_steps += 1
            if self.good_steps == self.window:
                self.good_steps = 0
                self.scale = max(self.scale, min(self.scale * self.factor, MAX_SCALE))
            return True
        before = self.scale
        self.scale = min(self.scale, max(self.scale / self.factor, MIN_SCALE))
        self.good_steps = 0
        self.skipped += 1
        self.overflows_in_a_row += 1
        if self.overflows_in_a_row == MAX_OVERFLOWS_IN_A_ROW:
            raise InputError(
                f"training stopped: the gradients of {MAX_OVERFLOWS_IN_A_ROW} steps in a row were not finite, the last "
                f"at loss scale {before:g}. Checkpoints of earlier epochs are kept. A lower base_lr, a longer warm-up "
                "or a lower train.loss_scale may help"
            )
        logger.warning(
            "step skipped: its gradients overflowed at loss scale %g; the scale is now %g (%d skipped so far)",
            before,
            self.scale,
            self.skipped,
        )
        return False

    def state(self) -> dict[str, float]:
        return {
            "scale": self.scale,
            "good_steps": self.good_steps,
            "skipped": self.skipped,
            "overflows_in_a_row": self.overflows_in_a_row,
        }

    def restore(self, state: Mapping[str, float]) -> None:
        """Continues from `state`; a fixed scale keeps its configured value."""
        if not state:
            return
        if self.factor != 1:
            self.scale = state["scale"]
        self.good_steps = int(state["good_steps"])
        self.skipped = int(state["skipped"])
        self.overflows_in_a_row = int(state["overflows_in_a_row"])
