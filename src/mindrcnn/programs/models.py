"""The command line of `mindrcnn models`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.programs.command_line import new_parser

PROG = "mindrcnn models"
DESCRIPTION = """
List the published checkpoints that can be used by name, with the AP that their sources state. A name stands wherever a
checkpoint does: the file is downloaded once, checked and converted.
"""
EXAMPLES = """
%(prog)s
%(prog)s 'detectron2/*' mask
%(prog)s --backbones --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "patterns", nargs="*", metavar="WORD", help="list names that contain every WORD, or match it as a pattern"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--detectors",
        action="store_const",
        dest="kind",
        const="detector",
        default="",
        help="list detectors alone (default: both kinds)",
    )
    kinds.add_argument(
        "--backbones",
        action="store_const",
        dest="kind",
        const="backbone",
        help="list backbones alone (default: both kinds)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, with all that is known (default: a table)")
    form.add_argument(
        "--page",
        action="store_true",
        help="print the page of all models, docs/models.md in the repository (default: a table)",
    )


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(lambda: show(arguments))


def show(arguments: argparse.Namespace) -> int:
    """Prints the rows that are asked for."""
    from mindrcnn.published.page import render_json, render_page, render_text, select

    if arguments.page:
        sys.stdout.write(render_page())
        return EXIT_OK
    rows = select(arguments.patterns, arguments.kind)
    if not rows:
        raise InputError(f"no published model matches {' '.join(arguments.patterns)}; `mindrcnn models` lists all")
    sys.stdout.write(render_json(rows) if arguments.json else render_text(rows))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
