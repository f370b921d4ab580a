"""The command line of `mindrcnn config-reference`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn import paths
from mindrcnn.exit_status import EXIT_FAILED, EXIT_OK, run
from mindrcnn.programs.command_line import new_parser, path

PROG = "mindrcnn config-reference"
DESCRIPTION = """
Print the page that explains every configuration key, in Markdown. In the repository it is docs/configuration.md.
"""
EXAMPLES = """
%(prog)s > docs/configuration.md
%(prog)s --check docs/configuration.md
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "--check",
        type=path,
        metavar="FILE",
        help="compare FILE with the page; the exit status is 1 if they differ (default: print the page)",
    )


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(print_page if arguments.check is None else lambda: check_page(arguments.check))


def print_page() -> int:
    """Prints the page."""
    from mindrcnn.config.reference import render

    sys.stdout.write(render())
    return EXIT_OK


def check_page(page: Path) -> int:
    """Returns EXIT_FAILED if a file differs from the page."""
    from mindrcnn.config.reference import render

    if paths.is_file(page) and paths.read_text(page) == render():
        return EXIT_OK
    sys.stderr.write(f"{page} is out of date; run: {PROG} > {page}\n")
    return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
