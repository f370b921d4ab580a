"""The command line of `mindrcnn subset`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.programs.command_line import add_force, new_parser, not_negative, path, positive

PROG = "mindrcnn subset"
DESCRIPTION = """
Split a COCO file by images: a small set to overfit, training and validation parts of your own data, or folds for
cross-validation. What was written is printed, with the objects of each class.
"""
EXAMPLES = """
%(prog)s all.json --images 12 --out small.json
%(prog)s all.json --images 200 --min-objects 1 --out val.json --rest train.json
%(prog)s all.json --images 20%% --stratify --out val.json --rest train.json
%(prog)s all.json --images 20%% --stratify --group '^(.*)_frame' --out val.json --rest train.json
%(prog)s all.json --folds 5 --stratify --out folds
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("annotations", type=path, metavar="ANNOTATIONS", help="COCO JSON")
    parser.add_argument(
        "--images", metavar="N", help="number of images to choose, or a share of them: 0.2 or 20%% (default: --folds)"
    )
    parser.add_argument(
        "--folds", type=positive, metavar="K", help="write K pairs of training and validation files (default: --images)"
    )
    parser.add_argument(
        "--stratify",
        action="store_true",
        help="divide every class in the same proportion as far as possible (default: choose at random)",
    )
    parser.add_argument(
        "--group",
        default="",
        metavar="REGEX",
        help="keep images together in whose file names this pattern, or its first group, matches the same text, for "
        "example the frames of a video (default: each image for itself)",
    )
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
    parser.add_argument(
        "--out",
        type=path,
        metavar="FILE",
        required=True,
        help="COCO JSON of the chosen images; with --folds the folder for fold-1-train.json, fold-1-val.json, ...",
    )
    parser.add_argument(
        "--rest", type=path, metavar="FILE", help="COCO JSON of all other images (default: not written)"
    )
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parser.parse_args(words)
    if (arguments.images is None) == (arguments.folds is None):
        parser.error("wanted either --images or --folds")
    if arguments.folds is not None and (arguments.folds < 2 or arguments.rest is not None):
        parser.error("--folds: wanted at least 2, without --rest")
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(lambda: cut(arguments))


def cut(arguments: argparse.Namespace) -> int:
    """Writes the chosen images and, if asked for, the others, or the folds."""
    from mindrcnn.datasets.subset import Cut, split_file, write_folds

    cut = Cut(
        amount=arguments.images or "",
        min_objects=arguments.min_objects,
        seed=arguments.seed,
        by_class=arguments.stratify,
        group=arguments.group,
    )
    source, out, force = arguments.annotations, arguments.out, arguments.force
    if arguments.folds is not None:
        text = write_folds(source, cut, folds=arguments.folds, out=out, force=force)
    else:
        text = split_file(source, cut, out=out, rest=arguments.rest, force=force)
    sys.stdout.write(text)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
