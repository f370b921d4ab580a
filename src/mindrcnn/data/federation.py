"""A federated data set's statements on classes that it does not annotate everywhere (Gupta et al., LVIS, 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FREQUENCIES = {"r": "rare", "c": "common", "f": "frequent"}


@dataclass(frozen=True)
class Federation:
    """Classes by image and by frequency. In an image, a class without objects that is not known absent is unknown.

    absent: by image id, the category ids that were looked for and are not there.
    incomplete: by image id, the category ids of which not every object is annotated.
    frequency: by category id, one of FREQUENCIES: in how many images of the training split the class is.
    """

    absent: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    incomplete: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    frequency: Mapping[int, str] = field(default_factory=dict)
