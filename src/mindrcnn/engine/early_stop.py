"""Ending a training whose evaluations no longer get better."""

from collections.abc import Sequence


class EarlyStop:
    """Counts evaluations since the best one.

    patience: training ends after so many in a row that are no better; 0 never. stale: how many there were already.
    """

    def __init__(self, *, patience: int, stale: int = 0) -> None:
        self.patience = patience
        self.stale = stale

    def evaluated(self, *, better: bool) -> None:
        """Takes in one evaluation."""
        self.stale = 0 if better else self.stale + 1

    @property
    def due(self) -> bool:
        """Whether training is to end."""
        return 0 < self.patience <= self.stale


def evaluations_since_best(values: Sequence[float]) -> int:
    """How many evaluations came after the best one, given the metric of each; of equal ones the first is best."""
    return len(values) - 1 - values.index(max(values)) if values else 0
