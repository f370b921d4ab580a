"""The `mindrcnn train` program, for a clone of the repository."""

import sys

from mindrcnn.programs.train import main

if __name__ == "__main__":
    sys.exit(main(prog="python train.py"))
