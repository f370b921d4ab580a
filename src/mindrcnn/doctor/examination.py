"""Examination of one split of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from mindrcnn.build.data import locate_split, training_classes
from mindrcnn.concurrency import map_ordered
from mindrcnn.config.data import DataConfig
from mindrcnn.config.run import Config
from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.progress import ProgressLine
from mindrcnn.data.survey import Survey, Use, examine_survey
from mindrcnn.errors import InputError


def examine_split(
    config: Config, split_name: str, *, workers: int | None, findings: Findings
) -> tuple[Survey, int | None]:
    """Examines a split; returns its numbers and the number of decoded images, None if none were to be decoded.

    Raises InputError if the annotations as a whole cannot be read.

    config: describes the data set.
    split_name: "train" or "val".
    workers: threads that decode the images; None decodes none.
    findings: receives the findings.
    """
    data = config.data
    split = data.train if split_name == "train" else data.val
    data_format, files = locate_split(data, split, f"data.{split_name}")
    examination = data_format.examine(
        files,
        classes=data.classes if split_name == "train" else classes_to_expect(data, findings),
        ignore_other_categories=data.ignore_other_categories,
        needs_masks=config.model.mask is not None,
        findings=findings,
    )
    survey = examination.survey
    decoded = None if workers is None else examine_images(examination.decoders(), findings, workers=workers)
    examine_survey(survey, findings, max_objects=data.max_objects, use=use_of(split_name, data))
    return survey, decoded


def annotation_files(config: Config) -> list[Path]:
    """Returns the annotations of each split that the configuration describes and that exists."""
    files = []
    for split, key in ((config.data.train, "data.train"), (config.data.val, "data.val")):
        with suppress(InputError):
            files.append(locate_split(config.data, split, key)[1].annotations)
    return files


def use_of(split_name: str, data: DataConfig) -> Use:
    """Returns the use of a split."""
    if split_name == "val":
        return Use.EVALUATION
    return Use.TRAINING_WITH_EMPTY_IMAGES if data.keep_empty_images else Use.TRAINING


def classes_to_expect(data: DataConfig, findings: Findings) -> Sequence[str]:
    """Returns the classes of the validation split; not known, and empty, if training's cannot be read: a finding."""
    try:
        return training_classes(data)
    except InputError as error:
        findings.add(Kind.TRAIN_SPLIT, str(error))
        return ()


def examine_images(decoders: Sequence[Callable[[], object]], findings: Findings, *, workers: int) -> int:
    """Calls each decoder, adds the InputErrors that they raise to `findings`, and returns the number of decoders."""

    def problem(index: int) -> str | None:
        try:
            decoders[index]()
        except InputError as error:
            return str(error)
        return None

    count = len(decoders)
    progress = ProgressLine(count, what="images decoded")
    for done, message in enumerate(map_ordered(problem, range(count), workers=workers, prefetch=2 * workers), start=1):
        if message is not None:
            findings.add(Kind.UNREADABLE, message)
        progress.update(done)
    progress.close()
    return count
