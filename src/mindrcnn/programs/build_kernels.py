"""The command line of `mindrcnn build-kernels`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import EXIT_OK, run
from mindrcnn.programs.command_line import new_parser

PROG = "mindrcnn build-kernels"
DESCRIPTION = """
Compile the C++ kernels for this machine, unless the cache has them already, and print the path of their library. Any
program compiles them at first use; this one does it now.

The cache is $XDG_CACHE_HOME/mindrcnn, or ~/.cache/mindrcnn. The compiler is $CXX, or g++; it has to be GCC 10 or newer.
"""
EXAMPLES = """
%(prog)s
CXX=g++-12 %(prog)s
"""


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line, which has no options; ends the program on a wrong one."""
    return new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES).parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    parse_arguments(words)
    return run(build_library)


def build_library() -> int:
    """Builds the library and prints its path."""
    from mindrcnn.native.build import build

    sys.stdout.write(f"{build()}\n")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
