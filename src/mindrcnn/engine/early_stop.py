"""Early stopping when evaluations no longer improve."""

from collections.abc import Sequence


class EarlyStop:
    """A count of the evaluations since the best one.

    patience: number of evaluations in a row without an improvement after which training ends; 0 never ends it.
    stale: number of such evaluations so far.
    """

    def __init__(self, *, patience: int, stale: int = 0) -> None:
        self.patience = patience
        self.stale = stale

    def record_evaluation(self, *, better: bool) -> None:
        """Counts one evaluation."""
        self.stale = 0 if better else self.stale + 1

    @property
    def due(self) -> bool:
        """Whether training should end."""
        return 0 < self.patience <= self.stale


def evaluations_since_best(values: Sequence[float]) -> int:
    """Counts the evaluations after the best one, given the metric of each; the first of equal ones is best."""
    return len(values) - 1 - values.index(max(values)) if values else 0
