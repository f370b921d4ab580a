"""The examination of one split as a configuration describes it, and its report."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.layout import find_split
from mindrcnn.data.survey import Survey, examine_survey
from mindrcnn.doctor.examination import examine_converted, examine_files
from mindrcnn.doctor.histograms import draw_histograms
from mindrcnn.doctor.report import report_json, report_text
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_FAILED, EXIT_OK


def diagnose(
    config_file: Path,
    overrides: Sequence[str],
    *,
    split: str,
    workers: int | None,
    json_file: Path | None,
    picture: Path | None,
) -> int:
    """Prints the report on a split; returns EXIT_FAILED if training would fail on it.

    Args:
        config_file: Configuration that describes the data set.
        overrides: Configuration keys to change, "a.b=c".
        split: "train" or "val".
        workers: Threads that decode the images; None leaves the images unread.
        json_file: Where to write the report as JSON as well.
        picture: Where to write histograms as a PNG.
    """
    findings = Findings()
    config = load_config(config_file, overrides)
    survey, decoded = examine(config, split, workers=workers, findings=findings)
    examine_survey(survey, findings, max_objects=config.data.max_objects)
    if json_file is not None:
        write_text(json_file, json.dumps(report_json(survey, findings, decoded=decoded), indent=1) + "\n")
    if picture is not None:
        draw_histograms(survey, picture)
    sys.stdout.write(report_text(survey, findings, decoded=decoded) + "\n")
    return EXIT_FAILED if findings.has_errors else EXIT_OK


def examine(config: Config, split_name: str, *, workers: int | None, findings: Findings) -> tuple[Survey, int | None]:
    """Returns the numbers of one split and how many images were decoded (None: not tried)."""
    data = config.data
    split = data.train if split_name == "train" else data.val
    needs_masks = config.model.mask is not None
    if not data.root:
        raise InputError("data.root: wanted the folder of the data set, got nothing")
    if split.format == "mindrecord":
        return examine_converted(
            folder=Path(data.root) / split.annotations,
            classes=data.classes,
            needs_masks=needs_masks,
            workers=workers,
            findings=findings,
        )
    files = find_split(root=Path(data.root), name=split.name, annotations=split.annotations, images=split.images)
    return examine_files(
        annotations=files.annotations,
        images=files.images,
        is_txt=split.format == "txt",
        classes=data.classes,
        ignore_other_categories=data.ignore_other_categories,
        needs_masks=needs_masks,
        workers=workers,
        findings=findings,
    )
