"""Mistakes in a data set, counted by kind, with the first examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mindrcnn.data.record import clip_boxes
from mindrcnn.errors import InputError

EXAMPLES = 5


class Kind(Enum):
    """A kind of finding: its title, and whether it is an error, which makes training fail, or a warning."""

    MALFORMED = ("malformed rows of the annotation file", True)
    REPEATED = ("ids or images that occur more than once", True)
    UNKNOWN_IMAGE = ("annotations of an image that is not listed", True)
    UNKNOWN_CATEGORY = ("annotations of a category that is not listed", True)
    CLASSES = ("class lists that do not match the file", True)
    MASK = ("segmentations that cannot be read", True)
    NO_MASK = ("objects without a mask, which the model needs", True)
    MISSING = ("missing image files", True)
    UNREADABLE = ("image files that cannot be read, or are not of the annotated size", True)
    TRAIN_SPLIT = ("training splits that cannot be read, whose classes this split must have", True)
    VAL_SPLIT = ("validation splits at which training stops before its first step; --split val says more", True)
    NO_OBJECTS = ("data sets without any object to train on", True)
    FEW_CORNERS = ("annotations with polygons of fewer than 3 points, which are ignored", False)
    LEFT_OUT = ("categories without annotations that stand for no class, which are left out", False)
    NO_OBJECT = ("shapes that are no objects, which are left out", False)
    SKIPPED = ("listed images that are absent, which data.skip_missing_images leaves out", False)
    TWICE = ("objects that are annotated twice: the same class and almost the same box", False)
    NEAR_DUPLICATES = ("images that are almost the same as one of the other split", False)
    DEGENERATE = ("boxes without area inside their image, which are ignored", False)
    OUTSIDE = ("boxes that extend beyond their image, which are clipped", False)
    EMPTY = ("images without objects, which training skips unless data.keep_empty_images is set", False)
    CROWDED = ("images with more objects than data.max_objects, of which each epoch uses a random choice", False)
    NOTHING_TO_FIND = ("data sets without any object to find, of which every AP is -1", False)
    UNUSED_CLASS = ("classes without objects", False)
    CROWD_SHARE = ("data sets with many crowd regions, in which nothing is learned", False)

    def __init__(self, title: str, is_error: bool) -> None:
        self.title = title
        self.is_error = is_error


@dataclass
class Finding:
    """The count of one kind, and its first examples."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


class Findings:
    """Collects findings by kind."""

    def __init__(self) -> None:
        self._found: dict[Kind, Finding] = {}

    def add(self, kind: Kind, example: str) -> None:
        """Adds one finding."""
        self.add_all(kind, [example], 1)

    def add_all(self, kind: Kind, examples: Iterable[str], count: int) -> None:
        """Adds `count` findings; consumes only as many `examples` as are shown."""
        if not count:
            return
        finding = self._found.setdefault(kind, Finding())
        finding.count += count
        for example in examples:
            if len(finding.examples) == EXAMPLES:
                break
            finding.examples.append(example)

    def select(self, *, errors: bool) -> list[tuple[Kind, Finding]]:
        """Returns the errors, or the warnings, in the order of Kind."""
        return [(kind, self._found[kind]) for kind in Kind if kind.is_error is errors and kind in self._found]

    @property
    def has_errors(self) -> bool:
        """Whether training would fail."""
        return any(kind.is_error for kind in self._found)


class FirstError(Findings):
    """Findings of a reader, which stops at the first error: it is raised as an InputError that names `source`."""

    def __init__(self, source: Path) -> None:
        super().__init__()
        self._source = source

    def add_all(self, kind: Kind, examples: Iterable[str], count: int) -> None:
        """Raises InputError for an error; counts a warning."""
        if kind.is_error and count:
            first = next(iter(examples))
            raise InputError(f"{self._source}: {first}" + (f" ({count} like this)" if count > 1 else ""))
        super().add_all(kind, examples, count)


OVERSHOOT = 1.0  # pixels; less than this is rounding, or a tool that includes the last pixel


def examine_boxes(
    boxes: npt.NDArray[np.float64],
    sizes: npt.NDArray[np.int32],
    findings: Findings,
    *,
    name_of: Callable[[int], str],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Returns the clipped boxes (m, 4) and whether each has an area (m,); adds findings about the others.

    boxes: (m, 4) float64 xyxy.
    sizes: (m, 2) int32 (h, w) of each box's image.
    findings: receives the findings.
    name_of: name of the object at an index, for the examples.
    """
    clipped, usable = clip_boxes(boxes, sizes)
    height, width = sizes.T
    overshoot = np.maximum(-boxes[:, :2].min(axis=1), np.maximum(boxes[:, 2] - width, boxes[:, 3] - height))
    outside = np.flatnonzero(usable & (overshoot > OVERSHOOT))
    degenerate = np.flatnonzero(~usable)

    def describe(index: int) -> str:
        corners = ", ".join(f"{corner:g}" for corner in boxes[index])
        return f"{name_of(index)}: x1, y1, x2, y2 = {corners} in an image of {width[index]} x {height[index]}"

    findings.add_all(Kind.OUTSIDE, (describe(int(index)) for index in outside), len(outside))
    findings.add_all(Kind.DEGENERATE, (describe(int(index)) for index in degenerate), len(degenerate))
    return clipped, usable
