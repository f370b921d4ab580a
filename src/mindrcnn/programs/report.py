"""The command line of `mindrcnn report`."""

import argparse
import re
import sys
from collections.abc import Sequence

from mindrcnn import paths
from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import (
    CONFIG_HELP,
    add_force,
    add_overrides,
    add_runtime,
    new_parser,
    not_negative,
    parse_intermixed,
    path,
    probability,
)

PROG = "mindrcnn report"
DESCRIPTION = """
Write one HTML page about what a detector gets wrong: COCO tables with 95 % intervals, kinds of error, confusions, score
thresholds, calibration, and a gallery of its worst images; with --compare, what differs between runs by more than
chance. A run folder's latest evaluation is used; a checkpoint is evaluated first.
"""
EXAMPLES = """
%(prog)s runs/first
%(prog)s runs/first --compare runs/second runs/third
%(prog)s runs/first/best.ckpt data.root=/path/to/coco --out report
%(prog)s results.json --annotations instances_val2017.json --images val2017
"""


OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_0-9]+)+=")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "source",
        type=path,
        metavar="RUN",
        help="run folder, checkpoint, exported model, name of a published model, or results file (.json)",
    )
    add_overrides(parser)
    parser.add_argument(
        "--compare",
        nargs="+",
        action="extend",
        metavar="OTHER",
        default=[],
        help="what to compare it with: the same kinds of things (default: nothing)",
    )
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="val", help="split of data (default: %(default)s)"
    )
    parser.add_argument(
        "--config",
        type=path,
        metavar="CONFIG",
        help=f"of a results file: {CONFIG_HELP} (default: config.yaml in its folder or the one above)",
    )
    parser.add_argument(
        "--annotations",
        type=path,
        metavar="FILE",
        help="COCO file to hold results against (default: what the configuration says)",
    )
    parser.add_argument(
        "--images",
        type=path,
        metavar="DIR",
        help="with --annotations: folder of the images (default: none, so that boxes are drawn on an empty ground)",
    )
    parser.add_argument(
        "--precision",
        type=probability,
        metavar="NUMBER",
        default=0.9,
        help="precision to find score thresholds for (default: %(default)s)",
    )
    parser.add_argument(
        "--resamples",
        type=not_negative,
        metavar="N",
        default=300,
        help="bootstrap resamples of the images, for the intervals; 0 for none (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=not_negative, metavar="N", default=0, help="of the resamples (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder for report.html and its files (default: that of the results)"
    )
    add_force(parser)
    add_runtime(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parse_intermixed(parser, words)
    # --compare takes all words up to the next option, those that set keys among them.
    arguments.overrides += [word for word in arguments.compare if OVERRIDE.match(word)]
    arguments.compare = [word for word in arguments.compare if not OVERRIDE.match(word)]
    if arguments.images is not None and arguments.annotations is None:
        parser.error("--images goes with --annotations")
    if arguments.annotations is not None and arguments.config is not None:
        parser.error("--annotations takes the place of --config: wanted one of them")
    return arguments


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Reports as the arguments say."""
    from mindrcnn.opening import Runtime
    from mindrcnn.tasks.report import Sources, write_run_report
    from mindrcnn.tasks.report_writing import ReportOptions

    return write_run_report(
        Sources(
            source=arguments.source,
            others=[paths.expand(word) for word in arguments.compare],
            config_file=arguments.config,
            annotations=arguments.annotations,
            images=arguments.images,
            overrides=arguments.overrides,
            split=arguments.split,
        ),
        arguments.out,
        ReportOptions(resamples=arguments.resamples, seed=arguments.seed, precision=arguments.precision),
        runtime=Runtime(arguments.backend, arguments.device),
        force=arguments.force,
    )


if __name__ == "__main__":
    sys.exit(main())
