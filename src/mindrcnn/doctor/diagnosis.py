"""The report on one split of a data set."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.build.data import data_root
from mindrcnn.config.loader import load_config
from mindrcnn.data.findings import Findings
from mindrcnn.data.formats.auto import TITLES
from mindrcnn.doctor.examination import annotation_files, examine_split
from mindrcnn.doctor.network_view import network_view, view_text
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
        split: "train", "val" or "test".
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
    examined = examine_split(config, split, workers=workers, findings=findings)
    survey, decoded = examined.survey, examined.decoded
    view = network_view(survey, config)
    if json_file is not None:
        content = report_json(survey, findings, decoded=decoded)
        about = {"data_root": str(data_root(config.data)), "format": examined.format, "network": view}
        write_text(json_file, json.dumps(COMMENT | content | about, indent=1) + "\n")
    if picture is not None:
        from mindrcnn.doctor.histograms import draw_histograms  # Matplotlib, which takes long to import

        draw_histograms(survey, picture)
    lines = [
        f"data.root is {data_root(config.data)}",
        f"data.{split} is {TITLES.get(examined.format, examined.format)}, images in {examined.images}",
        report_text(survey, findings, decoded=decoded, view=view_text(view, config)),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_FAILED if findings.has_errors else EXIT_OK
