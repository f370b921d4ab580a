"""Examination of one split of a configuration."""

from __future__ import annotations

from mindrcnn.build.data import locate_split
from mindrcnn.config.run import Config
from mindrcnn.data.findings import Findings
from mindrcnn.data.survey import Survey, examine_survey
from mindrcnn.doctor.decoding import examine_images


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
