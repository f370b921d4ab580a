"""Examination of one split of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mindrcnn.build.data import locate_split
from mindrcnn.concurrency import map_ordered
from mindrcnn.config.run import Config
from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.progress import ProgressLine
from mindrcnn.data.survey import Survey, examine_survey
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
        classes=data.classes,
        ignore_other_categories=data.ignore_other_categories,
        needs_masks=config.model.mask is not None,
        findings=findings,
    )
    survey = examination.survey
    decoded = None if workers is None else examine_images(examination.decoders(), findings, workers=workers)
    examine_survey(survey, findings, max_objects=data.max_objects)
    return survey, decoded


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
