"""The command line of `mindrcnn train`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import CONFIG_HELP, add_overrides, new_parser, parse_intermixed, path

PROG = "mindrcnn train"
DESCRIPTION = """
Train a detector. The run folder receives the log, the metrics and their curves, the resolved configuration and the
checkpoints: last.ckpt, and best.ckpt where there is a validation split.
"""
EXAMPLES = """
%(prog)s configs/demo/mask_rcnn_mobilenet_v1.yaml
%(prog)s configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco train.batch_size=4
%(prog)s configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco train.batch_size=4 --resume
%(prog)s mine.yaml --dry-run
%(prog)s configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/export --recipe small
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("config", type=path, metavar="CONFIG", help=CONFIG_HELP)
    add_overrides(parser)
    parser.add_argument(
        "--run-dir",
        type=path,
        metavar="DIR",
        help="new or empty folder of this run (default: runs/NAME, NAME_2, ..., with the configuration's name)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue the run in --run-dir, or the latest run of "
        "that name; start it if there is none (default: start a new run)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="do everything but the steps: read the data, build the model, report on the first batch, the memory and "
        "the learning rate, and print the whole configuration; without --run-dir nothing is written (default: train)",
    )
    parser.add_argument(
        "--recipe",
        choices=("small", "medium", "coco"),
        help="choose length, learning rate, input size, augmentation and frozen layers from the data, for up to about "
        "two thousand images, for some ten thousand, or as for COCO, and log the reasons; a.b=c still takes "
        "precedence (default: the configuration's)",
    )


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parse_intermixed(parser, words)


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Trains as the arguments say."""
    from mindrcnn.tasks.dry_run import dry_run
    from mindrcnn.tasks.training import train

    run = dry_run if arguments.dry_run else train
    return run(
        arguments.config, arguments.overrides, arguments.run_dir, resume=arguments.resume, recipe=arguments.recipe
    )


if __name__ == "__main__":
    sys.exit(main())
