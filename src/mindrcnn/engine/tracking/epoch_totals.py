"""Duration and mean losses of one epoch."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from mindrcnn.engine.tracking.stage_losses import describe_losses


class EpochTotals:
    """Sums over the steps of the epoch that is running, or over its rest in a resumed run."""

    def __init__(self) -> None:
        self.steps = 0
        self.seconds = 0.0
        self._losses: np.ndarray | float = 0.0
        self._timed_steps = 0
        self._timed_seconds = 0.0

    def add(self, losses: Sequence[float], seconds: float, *, timed: bool) -> None:
        """Adds a step; one that was compiled is not `timed`."""
        self.steps += 1
        self.seconds += seconds
        self._losses = self._losses + np.asarray(losses, np.float64)
        if timed:
            self._timed_steps += 1
            self._timed_seconds += seconds

    def text(self, loss_names: Sequence[str]) -> str:
        """Returns duration, seconds a step and mean losses in words."""
        means = (np.asarray(self._losses) / self.steps).tolist()
        described = describe_losses(dict(zip(loss_names, means, strict=True)))
        pace = f", {self._timed_seconds / self._timed_steps:.3f} s a step" if self._timed_steps else ""
        took = timedelta(seconds=round(self.seconds))
        return f"{self.steps} steps in {took}{pace} | mean loss {described}"
