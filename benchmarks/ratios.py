"""Medians, and ratios with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Of two timings that took turns: the median over the turns of their ratio, its least and its largest."""

    median: float
    low: float
    high: float


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Turn by turn, so that what slows down both at once cancels out. ValueError unless both have as many turns."""
    turns = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Ratio(median=statistics.median(turns), low=min(turns), high=max(turns))


def spread(values: Sequence[float]) -> float:
    """Half the distance of the largest from the least value, relative to the median."""
    return (max(values) - min(values)) / 2 / statistics.median(values)
