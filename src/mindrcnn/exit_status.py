"""Exit statuses of the programs, and the frame that each of them runs in.

Nothing here imports MindSpore: programs that do without it start in a fraction of a second.
"""

import logging
import signal
import sys
from collections.abc import Callable

from mindrcnn.engine.signals import EXIT_BASE, StopSignals
from mindrcnn.errors import InputError

EXIT_OK = 0
EXIT_FAILED = 1  # ran to its end, and what it examined or started is not in order
EXIT_INPUT = 2  # bad input; argparse ends with the same status for an unknown option
EXIT_SKIPPED = 3  # finished, but some images could not be read
EXIT_INTERRUPTED = EXIT_BASE + signal.SIGINT  # stopped with Ctrl-C


def run(action: Callable[[], int]) -> int:
    """Runs a program and returns its exit status; bad input becomes one message on stderr and EXIT_INPUT.

    SIGINT and SIGTERM end the program with SystemExit, status 130 and 143; training handles them itself, to save first.
    """
    try:
        with StopSignals() as signals, signals.immediate():
            return report_bad_input(action)
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None


def report_bad_input(action: Callable[[], int]) -> int:
    """Does what `run` does, with Python's own handling of signals."""
    # A log file on a full disk would print a traceback a line; what has to be on disk raises InputError by itself.
    logging.raiseExceptions = False
    try:
        return action()
    except InputError as error:
        sys.stdout.flush()
        sys.stderr.write(f"error: {error}\n")
        return EXIT_INPUT
