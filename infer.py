"""The `mindrcnn infer` program, for a clone of the repository."""

import sys

from mindrcnn.programs.infer import main

if __name__ == "__main__":
    sys.exit(main(prog="python infer.py"))
