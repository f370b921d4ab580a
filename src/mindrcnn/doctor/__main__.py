"""Check a data set before training: reports each kind of mistake with its count and first examples.

python -m mindrcnn.doctor configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/set
python -m mindrcnn.doctor mine.yaml --split val --json report.json --picture sizes.png

The exit status is 0 if training would not fail, 1 if it would, 2 if the configuration or the annotation file as a
whole cannot be read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.config.loader import load_config
from mindrcnn.data.findings import Findings
from mindrcnn.doctor.examination import examine_split
from mindrcnn.doctor.histograms import draw_histograms
from mindrcnn.doctor.report import report_json, report_text
from mindrcnn.errors import InputError

EXIT_SOUND, EXIT_ERRORS, EXIT_INPUT = 0, 1, 2


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mindrcnn.doctor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="YAML file; its `data`, and whether the model has masks, are used")
    parser.add_argument("overrides", nargs="*", metavar="a.b=c", help="configuration keys to change")
    parser.add_argument("--split", choices=("train", "val"), default="train", help="which split (train)")
    parser.add_argument("--no-decode", action="store_true", help="do not read the images")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="threads that decode (one per core)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON as well")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write histograms of sizes and shapes as a PNG")
    return parser.parse_intermixed_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    options = parse_arguments(argv)
    findings = Findings()
    workers = None if options.no_decode else max(options.workers, 1)
    try:
        config = load_config(options.config, options.overrides)
        survey, decoded = examine_split(config, options.split, workers=workers, findings=findings)
        if options.json is not None:
            write_text(options.json, json.dumps(report_json(survey, findings, decoded=decoded), indent=1) + "\n")
        if options.picture is not None:
            draw_histograms(survey, options.picture)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_INPUT
    sys.stdout.write(report_text(survey, findings, decoded=decoded) + "\n")
    return EXIT_ERRORS if findings.has_errors else EXIT_SOUND


if __name__ == "__main__":
    sys.exit(main())
