"""The `mindrcnn` command as `python -m mindrcnn`."""

import sys

from mindrcnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
