"""The length of training, and the steps after which it saves and evaluates."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Plan:
    """Length of training and the intervals of evaluations and saves; both also happen at the end.

    total_steps: number of steps; the last epoch may be partial.
    steps_per_epoch: steps of a full epoch.
    eval_every: epochs between evaluations, also a fraction; 0 evaluates at the end only.
    save_every: epochs between saves of `last`, also a fraction.
    eval_every_steps, save_every_steps: the same in steps, which then counts; 0 for none.
    """

    total_steps: int
    steps_per_epoch: int
    eval_every: float
    save_every: float
    eval_every_steps: int = 0
    save_every_steps: int = 0

    def is_end_of_epoch(self, step: int) -> bool:
        """Tells whether `step` steps complete an epoch or the training."""
        return step >= self.total_steps or step % self.steps_per_epoch == 0

    def evaluates_after(self, step: int) -> bool:
        """Tells whether an evaluation follows `step` steps."""
        return step >= self.total_steps or self._is_due(step, self.eval_every, self.eval_every_steps)

    def saves_after(self, step: int) -> bool:
        """Tells whether a save follows `step` steps."""
        return step >= self.total_steps or self._is_due(step, self.save_every, self.save_every_steps)

    def _is_due(self, step: int, epochs: float, steps: int) -> bool:
        """Tells whether a multiple of the interval lies in the last of `step` steps."""
        # The decimal digits of 0.1 are meant, not the nearest binary fraction, whose tenth multiple is not whole.
        interval = Fraction(steps) if steps else Fraction(str(epochs)) * self.steps_per_epoch
        return interval > 0 and step // interval > (step - 1) // interval
