"""Exit statuses, and how a program ends."""

import logging
import signal
import sys
from collections.abc import Callable

from mindrcnn.engine.signals import EXIT_BASE, StopSignals
from mindrcnn.errors import InputError

EXIT_OK = 0
EXIT_INPUT = 2  # bad input; argparse ends with the same status for an unknown option
EXIT_SKIPPED = 3  # finished, but some images could not be read


def run(action: Callable[[], int]) -> int:
    """Runs a program; bad input becomes one message on stderr and EXIT_INPUT, without a traceback.

    SIGINT and SIGTERM end the program with SystemExit, status 130 and 143; training handles them itself, to save first.
    """
    # A log file on a full disk would print a traceback a line; what has to be on disk raises InputError by itself.
    logging.raiseExceptions = False
    try:
        with StopSignals() as signals, signals.immediate():
            return action()
    except KeyboardInterrupt:
        raise SystemExit(EXIT_BASE + signal.SIGINT) from None
    except InputError as error:
        sys.stdout.flush()
        sys.stderr.write(f"error: {error}\n")
        return EXIT_INPUT
