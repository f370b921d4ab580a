"""The numbers of an evaluation that a run records."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scores:
    """The numbers of an evaluation.

    metrics: the numbers of the whole, under names such as bbox_AP.
    classes: the AP of each class that has objects, by such a name.
    """

    metrics: Mapping[str, float]
    classes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
