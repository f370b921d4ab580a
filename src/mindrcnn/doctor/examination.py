"""Examination of one split of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from mindrcnn.build.data import build_dataset, locate_split, training_classes
from mindrcnn.concurrency import map_ordered
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.config.run import Config
from mindrcnn.data.findings import EXAMPLES, Findings, Kind
from mindrcnn.data.progress import ProgressLine
from mindrcnn.data.survey import Examination, Survey, Use, examine_survey
from mindrcnn.doctor.similar import NO_HASH, Hash, annotated_twice, hash_image, near_duplicates
from mindrcnn.errors import InputError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Examined:
    """An examined split.

    survey: its numbers.
    decoded: number of decoded images; None if none were to be decoded.
    format: name of the format of its annotations.
    images: the folder of its images.
    """

    survey: Survey
    decoded: int | None
    format: str
    images: Path


def examine_split(config: Config, split_name: str, *, workers: int | None, findings: Findings) -> Examined:
    """Examines a split.

    Raises InputError if the annotations as a whole cannot be read.

    config: describes the data set.
    split_name: one of SPLITS.
    workers: threads that decode the images; None decodes none.
    findings: receives the findings.
    """
    data = config.data
    data_format, files = locate_split(data, split_of(data, split_name), f"data.{split_name}")
    examination = data_format.examine(
        files,
        classes=data.classes if split_name == "train" else classes_to_expect(data, findings),
        ignore_other_categories=data.ignore_other_categories,
        needs_masks=config.model.mask is not None and (config.train.mask_branch or split_name != "train"),
        findings=findings,
    )
    survey = examination.survey
    decoded = None
    if workers is not None:
        hashes = examine_images(examination.decoders(), findings, workers=workers)
        decoded = len(hashes)
        compare_splits(config, split_name, survey.names, hashes, findings, workers=workers)
    examine_survey(survey, findings, max_objects=data.max_objects, use=use_of(split_name, data))
    if split_name == "train" and not findings.has_errors:
        examine_validation(config, survey.classes, findings)
    pairs = list(annotated_twice(survey))
    findings.add_all(Kind.TWICE, (_pair(survey, *pair) for pair in pairs), len(pairs))
    return Examined(survey, decoded, files.format or data_format.name, files.images)


def split_of(data: DataConfig, name: str) -> SplitConfig:
    """Returns the configuration of one of SPLITS."""
    return {"train": data.train, "val": data.val, "test": data.test}[name]


def annotation_files(config: Config) -> list[Path]:
    """Returns the annotations of each split that the configuration describes and that exists."""
    files = []
    for name in SPLITS:
        with suppress(InputError):
            files.append(locate_split(config.data, split_of(config.data, name), f"data.{name}")[1].annotations)
    return files


def use_of(split_name: str, data: DataConfig) -> Use:
    """Returns the use of a split."""
    if split_name != "train":
        return Use.EVALUATION
    return Use.TRAINING_WITH_EMPTY_IMAGES if data.keep_empty_images else Use.TRAINING


def classes_to_expect(data: DataConfig, findings: Findings) -> Sequence[str]:
    """Returns the classes of the validation split; not known, and empty, if training's cannot be read: a finding."""
    try:
        return training_classes(data)
    except InputError as error:
        findings.add(Kind.TRAIN_SPLIT, str(error))
        return ()


def examine_validation(config: Config, classes: Sequence[str], findings: Findings) -> None:
    """Adds what stops training in the validation split, which it reads before the first step; it may have none."""
    split = config.data.val
    if not (split.name or split.annotations):
        return
    try:
        dataset = build_dataset(replace(config.data, classes=tuple(classes)), split, "data.val")
    except InputError as error:
        findings.add(Kind.VAL_SPLIT, str(error))
        return
    if not any(len(record.labels) for record in dataset.records):
        findings.add(Kind.VAL_SPLIT, f"{dataset.annotation_file}: no annotated objects")


def examine_images(decoders: Sequence[Callable[[], object]], findings: Findings, *, workers: int) -> list[Hash]:
    """Calls each decoder and adds the InputErrors that they raise to `findings`; returns a hash of each image."""

    def examine(index: int) -> tuple[Hash, str | None]:
        try:
            image = decoders[index]()
        except InputError as error:
            return NO_HASH, str(error)
        return hash_image(image) if isinstance(image, np.ndarray) else NO_HASH, None

    count = len(decoders)
    hashes: list[Hash] = []
    progress = ProgressLine(count, what="images decoded")
    for found, message in map_ordered(examine, range(count), workers=workers, prefetch=2 * workers):
        hashes.append(found)
        if message is not None:
            findings.add(Kind.UNREADABLE, message)
        progress.update(len(hashes))
    progress.close()
    return hashes


def compare_splits(
    config: Config, split_name: str, names: Sequence[str], hashes: Sequence[Hash], findings: Findings, *, workers: int
) -> None:
    """Adds the images of the split that are almost the same as one of training, or of validation for training itself.

    config: describes the data set.
    split_name: the examined split.
    names: its images.
    hashes: of its decoded images, in order.
    findings: receives the findings.
    workers: threads that decode the images of the other split.
    """
    other = "val" if split_name == "train" else "train"
    try:
        examination = _examine_quietly(config, other)
        known = examine_images(examination.decoders(), Findings(), workers=workers)
    except InputError:
        return  # the examination of that split says why it cannot be read
    pairs = list(near_duplicates(known, hashes))
    other_names = examination.survey.names

    def describe(first: int, second: int) -> str:
        return f"{_name(names, hashes, second)}: {_name(other_names, known, first)} of {other}"

    findings.add_all(Kind.NEAR_DUPLICATES, (describe(*pair) for pair in islice(pairs, EXAMPLES)), len(pairs))


def _examine_quietly(config: Config, name: str) -> Examination:
    data_format, files = locate_split(config.data, split_of(config.data, name), f"data.{name}")
    return data_format.examine(files, classes=(), ignore_other_categories=True, needs_masks=False, findings=Findings())


def _name(names: Sequence[str], hashes: Sequence[Hash], place: int) -> str:
    """Returns an image's name, or its number among the decoded ones where others are absent."""
    return names[place] if len(names) == len(hashes) else f"image {place + 1}"


def _pair(survey: Survey, first: int, second: int) -> str:
    corners = ", ".join(f"{corner:.1f}" for corner in survey.boxes[first])
    image, name = survey.names[survey.image[first]], survey.classes[survey.labels[second] - 1]
    return f"{image}: {name} at x1, y1, x2, y2 = {corners}"
