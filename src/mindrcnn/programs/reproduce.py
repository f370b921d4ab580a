"""The command line of `mindrcnn reproduce`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import add_force, new_parser, parse_intermixed, path

PROG = "mindrcnn reproduce"
DESCRIPTION = """
Measure the AP of published models on COCO val2017 and compare it with what their sources state. A model passes if box
and mask AP differ by at most 0.1. The exit status is 1 if one does not.
"""
EXAMPLES = """
%(prog)s torchvision/mask_rcnn_r50_fpn data.root=/path/to/coco
%(prog)s --all data.root=/path/to/coco
%(prog)s --all detectron2 data.root=/path/to/coco --device gpu
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="NAME | a.b=c",
        help="models, by name, and configuration keys to change, with values in YAML",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="all detectors with a published AP, of which the names contain every NAME (default: the named ones)",
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        default=Path("reproduced"),
        help="folder for results.jsonl and the evaluations' files (default: %(default)s)",
    )
    parser.add_argument(
        "--device", metavar="NAME", help="cpu, gpu or ascend, or one of several as gpu:1 (default: cpu)"
    )
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parse_intermixed(parser, words)
    arguments.overrides = [word for word in arguments.words if "=" in word]
    arguments.names = [word for word in arguments.words if "=" not in word]
    if not arguments.names and not arguments.all:
        parser.error("wanted a published model's name, or --all")
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Measures as the arguments say."""
    from mindrcnn.opening import Runtime
    from mindrcnn.tasks.reproduction import choose_models, reproduce

    return reproduce(
        choose_models(arguments.names, everything=arguments.all),
        arguments.overrides,
        out=arguments.out,
        runtime=Runtime(device=arguments.device),
        force=arguments.force,
    )


if __name__ == "__main__":
    sys.exit(main())
