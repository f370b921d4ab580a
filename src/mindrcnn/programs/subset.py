"""The command line of `mindrcnn subset`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.programs.command_line import add_force, new_parser, not_negative, path

PROG = "mindrcnn subset"
DESCRIPTION = """
Split a COCO file in two by images: a small set to overfit, or training and validation parts of your own data.
"""
EXAMPLES = """
%(prog)s all.json --images 12 --out small.json
%(prog)s all.json --images 200 --min-objects 1 --out val.json --rest train.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("annotations", type=path, metavar="ANNOTATIONS", help="COCO JSON")
    parser.add_argument("--images", type=not_negative, metavar="N", required=True, help="number of images to choose")
    parser.add_argument(
        "--min-objects",
        type=not_negative,
        metavar="N",
        default=0,
        help="smallest number of objects in a chosen image, crowds not counted (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=not_negative, metavar="N", default=0, help="decides which images (default: %(default)s)"
    )
    parser.add_argument("--out", type=path, metavar="FILE", required=True, help="COCO JSON of the chosen images")
    parser.add_argument(
        "--rest", type=path, metavar="FILE", help="COCO JSON of all other images (default: not written)"
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
    return run(lambda: cut(arguments))


def cut(arguments: argparse.Namespace) -> int:
    """Writes the chosen images and, if asked for, the others."""
    from mindrcnn.datasets.subset import split_file

    split_file(
        arguments.annotations,
        count=arguments.images,
        min_objects=arguments.min_objects,
        seed=arguments.seed,
        out=arguments.out,
        rest=arguments.rest,
        force=arguments.force,
    )
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
