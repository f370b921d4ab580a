"""The command line of `mindrcnn demo`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.programs.command_line import add_force, new_parser, not_negative, path, positive

PROG = "mindrcnn demo"
DESCRIPTION = """
Make the demonstration data set: overlapping, partly hidden, textured shapes with COCO annotations, in COCO's folder
layout. The same seed gives the same files.
"""
EXAMPLES = """
%(prog)s demo_data
%(prog)s tiny --train-images 40 --val-images 10 --size 96
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("folder", type=path, metavar="DIR", help="where to write the data set")
    parser.add_argument(
        "--train-images",
        type=not_negative,
        metavar="N",
        default=1000,
        help="number of training images (default: %(default)s)",
    )
    parser.add_argument(
        "--val-images",
        type=not_negative,
        metavar="N",
        default=100,
        help="number of validation images (default: %(default)s)",
    )
    parser.add_argument(
        "--size", type=positive, metavar="PIXELS", default=192, help="mean side of the images (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=not_negative, metavar="N", default=0, help="seed of the scenes (default: %(default)s)"
    )
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(lambda: make(arguments))


def make(arguments: argparse.Namespace) -> int:
    """Makes the data set and prints its size."""
    from mindrcnn.datasets.demo import make_demo

    make_demo(
        arguments.folder,
        train_images=arguments.train_images,
        val_images=arguments.val_images,
        size=arguments.size,
        seed=arguments.seed,
        force=arguments.force,
    )
    sys.stdout.write(
        f"{arguments.folder}: {arguments.train_images} training and {arguments.val_images} validation images\n"
    )
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
