"""Medians, and ratios with their spread."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Ratio of two timings taken in turns: its median over the turns, its smallest and its largest value."""

    median: float
    low: float
    high: float


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Divides turn by turn, so that what slows down both at once cancels out.

    Raises ValueError unless both have the same number of turns.
    """
    turns = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Ratio(median=statistics.median(turns), low=min(turns), high=max(turns))


def spread(values: Sequence[float]) -> float:
    """Returns half the distance between the largest and the smallest value, relative to the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values)
