"""The `mindrcnn` command as `python -m mindrcnn`."""

import os
import signal
import sys

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # until the program sets its own, while modules load
        signal.signal(number, lambda received, frame: os._exit(128 + received))

from mindrcnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
