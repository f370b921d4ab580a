"""The numbers of a data set, over the objects that training would use."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.record import Dataset, nothing_to_train_on
from mindrcnn.errors import InputError

# COCO has 1.2 % crowds. Above this share, many anchors cover regions that are ignored.
MANY_CROWDS = 0.1


class Use(Enum):
    """The use of a split: training on its objects, on all of its images, or evaluation."""

    TRAINING = 1
    TRAINING_WITH_EMPTY_IMAGES = 2
    EVALUATION = 3


@dataclass(frozen=True, eq=False)
class Survey:
    """The numbers of n images and m objects, ordered by image; an unknown image size is 0."""

    source: Path
    names: Sequence[str]  # (n,)
    sizes: npt.NDArray[np.int32]  # (n, 2) (h, w)
    image: npt.NDArray[np.int64]  # (m,) index of the object's image
    boxes: npt.NDArray[np.float32]  # (m, 4) xyxy, clipped
    labels: npt.NDArray[np.int64]  # (m,) 1..K
    crowd: npt.NDArray[np.bool_]  # (m,)
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]

    @property
    def ordinary_per_image(self) -> npt.NDArray[np.int64]:
        """(n,) int64 objects of each image, crowds left out."""
        return np.bincount(self.image[~self.crowd], minlength=len(self.names))

    @property
    def slots_per_image(self) -> npt.NDArray[np.int64]:
        """(n,) int64 ground-truth slots that each image needs; a crowd takes one too."""
        return np.bincount(self.image, minlength=len(self.names))

    @property
    def per_class(self) -> npt.NDArray[np.int64]:
        """(K,) int64 objects of each class, crowds left out."""
        return np.bincount(self.labels[~self.crowd], minlength=len(self.classes) + 1)[1:]

    @property
    def crowd_share(self) -> float:
        """Share of crowds among the objects."""
        return float(self.crowd.mean()) if len(self.crowd) else 0.0

    @property
    def known_sizes(self) -> npt.NDArray[np.int32]:
        """(k, 2) int32 (h, w) of the images whose size is known."""
        return self.sizes[self.sizes.min(axis=1) > 0]


@dataclass(frozen=True, eq=False)
class Examination:
    """An examined split: its numbers, and a way to decode its images.

    `decoders()` returns one function for each existing image; it decodes the image and raises InputError if the image
    cannot be read or is not of the annotated size.
    """

    survey: Survey
    decoders: Callable[[], Sequence[Callable[[], object]]]


def examine_dataset(
    dataset: Dataset, *, source: Path, images: Path, needs_masks: bool, findings: Findings
) -> Examination:
    """Examines a split that was read without an error; reads every mask.

    dataset: the split.
    source: names the annotations in the report.
    images: folder that image names are relative to.
    needs_masks: whether an object without a mask is an error.
    findings: receives the findings.
    """
    records = dataset.records
    if needs_masks:
        missing = dataset.without_mask
        findings.add_all(Kind.NO_MASK, (f"object number {number}" for number in missing), len(missing))
    if dataset.shapeless is not None:
        ids, outcome = dataset.shapeless.ids, "and so the object" if needs_masks else "but its box is used"
        findings.add_all(
            Kind.FEW_CORNERS, (f"object number {number}: all of its polygons, {outcome}" for number in ids), len(ids)
        )
        records = dataset.shapeless.others if needs_masks else records
    for record in records:
        try:
            for _ in record.segmentations:
                pass
        except InputError as error:
            findings.add(Kind.MASK, str(error))
    counts = [len(record.labels) for record in records]
    nothing = np.zeros((0, 4), dtype=np.float32)
    survey = Survey(
        source=source,
        names=[os.path.relpath(record.path, images) for record in records],
        sizes=np.array([record.size for record in records], dtype=np.int32).reshape(-1, 2),
        image=np.repeat(np.arange(len(records)), counts),
        boxes=np.concatenate([nothing, *(record.boxes for record in records)]),
        labels=np.concatenate([np.zeros(0, dtype=np.int64), *(record.labels for record in records)]),
        crowd=np.concatenate([np.zeros(0, dtype=np.bool_), *(record.crowd for record in records)]),
        classes=dataset.classes,
        category_ids=dataset.category_ids,
    )
    return Examination(survey, lambda: [record.image for record in records])


def examine_survey(survey: Survey, findings: Findings, *, max_objects: int, use: Use) -> None:
    """Adds findings about the data set as a whole, as far as they concern its use."""
    empty = np.flatnonzero(survey.ordinary_per_image == 0)
    without_objects = len(empty) == len(survey.names)
    if use is Use.TRAINING:
        findings.add_all(Kind.EMPTY, (survey.names[index] for index in empty), len(empty))
        if without_objects:
            findings.add(Kind.NO_OBJECTS, f"{survey.source}: {nothing_to_train_on(len(survey.crowd))}")
    elif without_objects:
        findings.add(Kind.NOTHING_TO_FIND, str(survey.source))
    if use is not Use.EVALUATION:
        slots = survey.slots_per_image
        crowded = np.flatnonzero(slots > max_objects)
        findings.add_all(
            Kind.CROWDED, (f"{survey.names[index]}: {slots[index]} objects" for index in crowded), len(crowded)
        )
    unused = np.flatnonzero(survey.per_class == 0)
    findings.add_all(Kind.UNUSED_CLASS, (survey.classes[index] for index in unused), len(unused))
    if survey.crowd_share > MANY_CROWDS:
        findings.add(Kind.CROWD_SHARE, f"{survey.source}: {survey.crowd_share:.1%} of the objects are crowds")
