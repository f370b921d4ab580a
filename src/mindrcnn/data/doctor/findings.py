"""What is wrong with a data set: for each kind of finding how often it occurs, and the first examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

EXAMPLES = 5


class Kind(Enum):
    """A kind of finding: its title, and whether it stops a training (an error) or only takes something from it."""

    MALFORMED = ("malformed rows of the annotation file", True)
    REPEATED = ("ids or images that are there more than once", True)
    UNKNOWN_IMAGE = ("annotations of an image that is not listed", True)
    UNKNOWN_CATEGORY = ("annotations of a category that is not listed", True)
    CLASSES = ("class list that does not fit the file", True)
    MASK = ("segmentations that cannot be read", True)
    NO_MASK = ("objects without a mask, which the model needs", True)
    MISSING = ("image files that are not there", True)
    UNREADABLE = ("image files that cannot be read, or of another size than annotated", True)
    NO_OBJECTS = ("data sets without any object to train on", True)
    FEW_CORNERS = ("polygons of fewer than 3 points, which are left out", False)
    DEGENERATE = ("boxes without area inside their image, which are left out", False)
    OUTSIDE = ("boxes that reach out of their image, which are clipped", False)
    EMPTY = ("images without objects, which training leaves out unless data.keep_empty_images", False)
    CROWDED = ("images with more objects than data.max_objects, of which each epoch draws some", False)
    UNUSED_CLASS = ("classes without an object", False)
    CROWD_SHARE = ("data sets with many crowd regions, in which nothing is learnt", False)

    def __init__(self, title: str, is_error: bool) -> None:
        self.title = title
        self.is_error = is_error


@dataclass
class Finding:
    """How often one kind occurs, and the first few times."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


class Findings:
    """Collects findings by kind."""

    def __init__(self) -> None:
        self._found: dict[Kind, Finding] = {}

    def add(self, kind: Kind, example: str) -> None:
        """One more."""
        self.add_all(kind, [example], 1)

    def add_all(self, kind: Kind, examples: Iterable[str], count: int) -> None:
        """`count` more, of which as many of the `examples` are made as are shown."""
        if not count:
            return
        finding = self._found.setdefault(kind, Finding())
        finding.count += count
        for example in examples:
            if len(finding.examples) == EXAMPLES:
                break
            finding.examples.append(example)

    def of(self, *, errors: bool) -> list[tuple[Kind, Finding]]:
        """The errors or the others, in the order of Kind."""
        return [(kind, self._found[kind]) for kind in Kind if kind.is_error is errors and kind in self._found]

    @property
    def has_errors(self) -> bool:
        """Whether anything would stop a training."""
        return any(kind.is_error for kind in self._found)
