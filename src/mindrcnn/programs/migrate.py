"""The command line of `mindrcnn migrate`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.programs.command_line import add_force, new_parser, path

PROG = "mindrcnn migrate"
DESCRIPTION = """
Convert a configuration of the MindSpore model zoo, config.py or default_config.yaml, or a YAML file of
maskrcnn-benchmark, to one of MindRCNN. Python is read and never run. Every key ends in the result or, with the reason,
in one of its comments.
"""
EXAMPLES = """
%(prog)s src/config.py --out my_mask_rcnn.yaml
%(prog)s default_config.yaml
%(prog)s --keys
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument(
        "file", nargs="?", type=path, metavar="FILE", help="the zoo's config.py or default_config.yaml"
    )
    subject.add_argument(
        "--keys", action="store_true", help="print the table of the zoo's keys (default: migrate a file)"
    )
    parser.add_argument("--out", type=path, metavar="FILE", help="YAML to write (default: standard output)")
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run(lambda: write(arguments))


def write(arguments: argparse.Namespace) -> int:
    """Writes the configuration and, on stderr, the number of keys by their fate; or writes the table of keys."""
    if arguments.keys:
        from mindrcnn.zoo.table import render_table

        sys.stdout.write(render_table())
        return EXIT_OK
    from mindrcnn.migrate.program import migrate_file

    migrate_file(arguments.file, out=arguments.out, force=arguments.force)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
