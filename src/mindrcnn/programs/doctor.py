"""The command line of `mindrcnn doctor`."""

import argparse
import os
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import run
from mindrcnn.programs.command_line import (
    CONFIG_HELP,
    add_force,
    add_overrides,
    new_parser,
    parse_intermixed,
    path,
    positive,
)

PROG = "mindrcnn doctor"
DESCRIPTION = """
Check a data set for problems that would break or degrade training, and say what the network gets of it with the sizes
and anchors of the configuration. Each kind of problem is reported with its count and its first examples.

The exit status is 0 if nothing would break training, 1 if something would, and 2 if the configuration or the annotation
file as a whole cannot be read.
"""
EXAMPLES = """
%(prog)s configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco
%(prog)s mine.yaml --split val --json report.json --picture sizes.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "config",
        type=path,
        metavar="CONFIG",
        help=f"{CONFIG_HELP}; only its data section, its anchors and whether its model predicts masks count",
    )
    add_overrides(parser)
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="train", help="split (default: %(default)s)"
    )
    parser.add_argument("--no-decode", action="store_true", help="do not read the images (default: read them all)")
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        default=os.cpu_count() or 1,
        help="threads that decode images (default: one per core)",
    )
    parser.add_argument("--json", type=path, metavar="FILE", help="also write the report as JSON (default: do not)")
    parser.add_argument(
        "--picture",
        type=path,
        metavar="FILE",
        help="also write histograms of image sizes, object shapes and classes as a PNG (default: do not)",
    )
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parse_intermixed(parser, words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Examines as the arguments say."""
    from mindrcnn.doctor.diagnosis import diagnose

    return diagnose(
        arguments.config,
        arguments.overrides,
        split=arguments.split,
        workers=None if arguments.no_decode else arguments.workers,
        json_file=arguments.json,
        picture=arguments.picture,
        force=arguments.force,
    )


if __name__ == "__main__":
    sys.exit(main())
