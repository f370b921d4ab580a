"""The report on one split of a data set."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.config.loader import load_config
from mindrcnn.data.findings import Findings
from mindrcnn.doctor.examination import annotation_files, examine_split
from mindrcnn.doctor.histograms import draw_histograms
from mindrcnn.doctor.report import report_json, report_text
from mindrcnn.exit_status import EXIT_FAILED, EXIT_OK
from mindrcnn.outputs import COMMENT, Output, protect


def diagnose(
    config_file: Path,
    overrides: Sequence[str],
    *,
    split: str,
    workers: int | None,
    json_file: Path | None,
    picture: Path | None,
    force: bool = False,
) -> int:
    """Prints the report on a split; returns EXIT_FAILED if training would fail on it.

    Args:
        config_file: Configuration that describes the data set.
        overrides: Configuration keys to change, "a.b=c".
        split: "train" or "val".
        workers: Threads that decode the images; None leaves the images unread.
        json_file: Where to write the report as JSON as well.
        picture: Where to write histograms as a PNG.
        force: Whether inputs and files of others may be replaced.
    """
    findings = Findings()
    config = load_config(config_file, overrides)
    protect(
        [Output(path) for path in (json_file, picture) if path is not None],
        inputs=[config_file, *annotation_files(config)],
        force=force,
    )
    survey, decoded = examine_split(config, split, workers=workers, findings=findings)
    if json_file is not None:
        write_text(json_file, json.dumps(COMMENT | report_json(survey, findings, decoded=decoded), indent=1) + "\n")
    if picture is not None:
        draw_histograms(survey, picture)
    sys.stdout.write(report_text(survey, findings, decoded=decoded) + "\n")
    return EXIT_FAILED if findings.has_errors else EXIT_OK
