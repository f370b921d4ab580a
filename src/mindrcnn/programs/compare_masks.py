"""The command line of `mindrcnn compare-masks`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import run
from mindrcnn.programs.command_line import add_force, new_parser, path, positive

PROG = "mindrcnn compare-masks"
DESCRIPTION = """
Draw the masks that several models predict for the same objects, enlarged and side by side.

Each row is an annotated object that every model found; the objects span all sizes, the largest first. The columns are
the annotation and the models.
"""
EXAMPLES = """
%(prog)s val.json images --results "Mask R-CNN=runs/a/eval/results.json" \\
    "PointRend=runs/b/eval/results.json" --out masks.jpg
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "annotations", type=path, metavar="ANNOTATIONS", help="COCO JSON that the models were evaluated on"
    )
    parser.add_argument("images", type=path, metavar="DIR", help="folder of its images")
    parser.add_argument(
        "--results", nargs="+", required=True, metavar="NAME=FILE", help="results.json of each model, with its heading"
    )
    parser.add_argument(
        "--objects", type=positive, metavar="N", default=6, help="number of rows (default: %(default)s)"
    )
    parser.add_argument("--out", type=path, metavar="FILE", required=True, help="picture to write, .jpg or .png")
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Compares as the arguments say."""
    from mindrcnn.tasks.mask_comparison import compare_masks

    return compare_masks(
        arguments.annotations,
        arguments.images,
        arguments.results,
        count=arguments.objects,
        out=arguments.out,
        force=arguments.force,
    )


if __name__ == "__main__":
    sys.exit(main())
