"""The start of the `mindrcnn` command, also as `python -m mindrcnn`."""

import os
import signal
import sys


def main() -> int:
    """Runs the command and returns its exit status; a signal ends it without a traceback from the start."""
    for number in (signal.SIGINT, signal.SIGTERM):  # until the program sets its own, while modules load
        signal.signal(number, lambda received, frame: os._exit(128 + received))
    from mindrcnn.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
