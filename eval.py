"""The `mindrcnn eval` program, for a clone of the repository."""

import sys

from mindrcnn.programs.evaluate import main

if __name__ == "__main__":
    sys.exit(main(prog="python eval.py"))
