"""The command line of `mindrcnn browse`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.programs.command_line import (
    CONFIG_HELP,
    add_force,
    add_overrides,
    new_parser,
    not_negative,
    parse_intermixed,
    path,
    port_number,
    positive,
)

PROG = "mindrcnn browse"
DESCRIPTION = """
Look at a data set: an HTML page of its images with boxes, masks and class names, each as annotated and as the network
gets it after augmentation, resizing and padding. The page and its pictures need nothing else, so the folder can be
copied.
"""
EXAMPLES = """
%(prog)s configs/demo/mask_rcnn_mobilenet_v1.yaml --serve
%(prog)s mine.yaml --split train --count 50 --class screw --class nut --out look
%(prog)s mine.yaml data.augment.crop_prob=0.5 --seed 7
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("config", type=path, metavar="CONFIG", help=CONFIG_HELP)
    add_overrides(parser)
    parser.add_argument(
        "--split",
        action="append",
        choices=("train", "val", "test"),
        help="split; may be repeated (default: train, and val if there is one)",
    )
    parser.add_argument(
        "--count", type=positive, metavar="N", default=24, help="images of each split (default: %(default)s)"
    )
    parser.add_argument(
        "--class",
        action="append",
        default=[],
        dest="classes",
        metavar="NAME",
        help="only images that have this class; may be repeated (default: all images)",
    )
    parser.add_argument(
        "--seed",
        type=not_negative,
        metavar="N",
        help="chooses the images and their augmentation (default: train.seed, so that the first epoch is shown)",
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="folder for index.html and pictures/ (default: browse/NAME, with the configuration's name; with --serve, "
        "a temporary one)",
    )
    parser.add_argument(
        "--serve",
        action="store_true",
        help="then show the page to browsers on this machine, until Ctrl-C (default: write it only)",
    )
    parser.add_argument(
        "--port",
        type=port_number,
        metavar="N",
        default=8001,
        help="with --serve, the port; 0: any free one (default: %(default)s)",
    )
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parse_intermixed(parser, words)


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Draws, and serves if that is asked for, as the arguments say."""
    from mindrcnn.browse.browsing import browse
    from mindrcnn.browse.server import HOST, open_server, serve
    from mindrcnn.config.loader import load_config
    from mindrcnn.engine.tracking.logging_setup import setup_logging

    setup_logging()
    config = load_config(arguments.config, arguments.overrides)
    with ExitStack() as held:
        out = arguments.out or Path("browse") / config.name
        if arguments.serve and arguments.out is None:
            out = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="mindrcnn-browse-")))
        page = browse(
            config,
            out,
            splits=arguments.split or (),
            count=arguments.count,
            classes=arguments.classes,
            seed=arguments.seed,
            inputs=[arguments.config],
            force=arguments.force,
        )
        counts = ", ".join(f"{number} images of {split}" for split, number in page.images.items())
        sys.stdout.write(f"{counts}: {page.file}\n")
        if arguments.serve:
            server = open_server(page.file, page.pictures, arguments.port)
            sys.stdout.write(f"http://{HOST}:{server.server_port}/ until Ctrl-C\n")
            sys.stdout.flush()
            serve(server)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
