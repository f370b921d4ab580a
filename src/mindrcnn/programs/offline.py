"""The command line of `mindrcnn offline`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import add_force, add_overrides, new_parser, parse_intermixed, path

PROG = "mindrcnn offline"
DESCRIPTION = """
Evaluate an exported model that another program runs, such as ascend310_infer on an Ascend 310: `prepare` writes the
batches of the validation split as files, and `evaluate` computes COCO metrics from the outputs that the program wrote.

scripts/run_infer_310.sh calls both, and the program between them.
"""
EXAMPLES = """
%(prog)s prepare detector.mindir --inputs in data.root=/path/to/coco
%(prog)s evaluate detector.mindir --inputs in --outputs out data.root=/path/to/coco
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("action", choices=("prepare", "evaluate"), help="what to do")
    parser.add_argument("model", type=path, metavar="MODEL", help="exported model with fixed shapes (.mindir, .onnx)")
    add_overrides(parser)
    parser.add_argument("--inputs", type=path, metavar="DIR", required=True, help="folder of the model's inputs")
    parser.add_argument(
        "--outputs", type=path, metavar="DIR", help="folder of the model's outputs, for evaluate (default: none)"
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        default=Path("eval"),
        help="folder for results, metrics and pictures (default: %(default)s)",
    )
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parse_intermixed(parser, words)
    if (arguments.outputs is None) != (arguments.action == "prepare"):
        parser.error("evaluate wants --outputs, and prepare does not")
    return arguments


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Prepares or evaluates as the arguments say."""
    from mindrcnn.tasks.offline import evaluate_outputs, prepare_inputs

    if arguments.action == "prepare":
        return prepare_inputs(arguments.model, arguments.overrides, arguments.inputs)
    return evaluate_outputs(
        arguments.model,
        arguments.overrides,
        inputs=arguments.inputs,
        outputs=arguments.outputs,
        out=arguments.out,
        force=arguments.force,
    )


if __name__ == "__main__":
    sys.exit(main())
