"""The numbers of a data set, over the objects that training would use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mindrcnn.data.findings import Findings, Kind

# COCO has 1.2 % crowds. Above this many of the regions that anchors fall on teach nothing.
MANY_CROWDS = 0.1


@dataclass(frozen=True, eq=False)
class Survey:
    """n images and m objects, of which `image` says where they are. Sizes of images that are not known are 0."""

    source: Path
    names: Sequence[str]  # n
    sizes: npt.NDArray[np.int32]  # n,2 (h, w)
    image: npt.NDArray[np.int64]  # m, place of the image
    boxes: npt.NDArray[np.float32]  # m,4 xyxy, clipped
    labels: npt.NDArray[np.int64]  # m, 1..K
    crowd: npt.NDArray[np.bool_]  # m
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]

    @property
    def ordinary_per_image(self) -> npt.NDArray[np.int64]:
        """(n,) objects that are no crowds."""
        return np.bincount(self.image[~self.crowd], minlength=len(self.names))

    @property
    def slots_per_image(self) -> npt.NDArray[np.int64]:
        """(n,) ground-truth slots that an image needs: crowds take one as well."""
        return np.bincount(self.image, minlength=len(self.names))

    @property
    def per_class(self) -> npt.NDArray[np.int64]:
        """(K,) objects of each class, without crowds."""
        return np.bincount(self.labels[~self.crowd], minlength=len(self.classes) + 1)[1:]

    @property
    def crowd_share(self) -> float:
        """Crowds among the objects."""
        return float(self.crowd.mean()) if len(self.crowd) else 0.0

    @property
    def known_sizes(self) -> npt.NDArray[np.int32]:
        """The sizes (h, w) of the images whose size is known."""
        return self.sizes[self.sizes.min(axis=1) > 0]


def examine_survey(survey: Survey, findings: Findings, *, max_objects: int) -> None:
    """Findings about the data set as a whole."""
    empty = np.flatnonzero(survey.ordinary_per_image == 0)
    findings.add_all(Kind.EMPTY, (survey.names[place] for place in empty), len(empty))
    if len(empty) == len(survey.names):
        findings.add(Kind.NO_OBJECTS, str(survey.source))
    slots = survey.slots_per_image
    crowded = np.flatnonzero(slots > max_objects)
    findings.add_all(
        Kind.CROWDED, (f"{survey.names[place]}: {slots[place]} objects" for place in crowded), len(crowded)
    )
    unused = np.flatnonzero(survey.per_class == 0)
    findings.add_all(Kind.UNUSED_CLASS, (survey.classes[place] for place in unused), len(unused))
    if survey.crowd_share > MANY_CROWDS:
        findings.add(Kind.CROWD_SHARE, f"{survey.source}: {survey.crowd_share:.1%} of the objects are crowds")
