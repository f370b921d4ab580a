"""The command line of `mindrcnn check`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import run
from mindrcnn.programs.command_line import add_force, add_overrides, new_parser, parse_intermixed, path

PROG = "mindrcnn check"
DESCRIPTION = """
Say what an expert would say of a training run: rules look at its metrics, its latest evaluation and its data, and each
finding comes with its figures and with what to do. A run can be checked while it trains.

The exit status is 0 whatever is found, and 2 if the folder is no run or cannot be read.
"""
EXAMPLES = """
%(prog)s runs/first
%(prog)s runs/first data.root=/path/to/coco --json check.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("run", type=path, metavar="RUN", help="run folder")
    add_overrides(parser)
    parser.add_argument("--json", type=path, metavar="FILE", help="also write the report as JSON (default: do not)")
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
    """Checks as the arguments say."""
    from mindrcnn.check.report import check_run

    return check_run(arguments.run, arguments.overrides, json_file=arguments.json, force=arguments.force)


if __name__ == "__main__":
    sys.exit(main())
