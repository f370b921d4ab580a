"""The `mindrcnn export` program, for a clone of the repository."""

import sys

from mindrcnn.programs.export import main

if __name__ == "__main__":
    sys.exit(main(prog="python export.py"))
