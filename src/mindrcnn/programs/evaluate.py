"""The command line of `mindrcnn eval`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn import paths
from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import (
    CONFIG_HELP,
    MODEL_HELP,
    add_force,
    add_overrides,
    add_runtime,
    new_parser,
    parse_intermixed,
    path,
)

PROG = "mindrcnn eval"
DESCRIPTION = """
Evaluate a checkpoint or an exported model on a split of its configuration, or score a saved results file.
The COCO tables are printed; results, metrics and pictures are written to the output folder.
"""
EXAMPLES = """
%(prog)s runs/first/best.ckpt
%(prog)s runs/first/best.ckpt data.root=/path/to/coco eval.batch_size=4 --out tables
%(prog)s detectron2/mask_rcnn_r50_fpn_3x data.root=/path/to/coco
%(prog)s runs/first/best.ckpt --split test
%(prog)s detector.onnx data.root=/path/to/coco --device gpu
%(prog)s --results results.json --config configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("checkpoint", nargs="?", metavar="MODEL", help=MODEL_HELP)
    add_overrides(parser)
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="val", help="split of data (default: %(default)s)"
    )
    parser.add_argument("--results", type=path, metavar="FILE", help="score this results JSON instead of a checkpoint")
    parser.add_argument("--config", type=path, metavar="CONFIG", help=f"with --results: {CONFIG_HELP}")
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="folder for results, metrics and pictures (default: "
        "eval beside the model, eval_test for the test split, evaluated/NAME for a name; with --results, the folder of "
        "that file)",
    )
    add_force(parser)
    add_runtime(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parse_intermixed(parser, words)
    if (arguments.results is None) != (arguments.config is None):
        parser.error("--results and --config go together")
    if arguments.results is not None and arguments.checkpoint is not None:
        arguments.overrides.insert(0, arguments.checkpoint)  # without a checkpoint, the first word is an override too
    elif arguments.results is None and arguments.checkpoint is None:
        parser.error("wanted a model, or --results with --config")
    return arguments


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Evaluates as the arguments say."""
    from mindrcnn.opening import Runtime
    from mindrcnn.tasks.evaluation import evaluate_checkpoint, evaluate_results

    out, split, force = arguments.out, arguments.split, arguments.force
    if arguments.results is not None:
        return evaluate_results(arguments.results, arguments.config, arguments.overrides, out, split=split, force=force)
    file, runtime = paths.expand(arguments.checkpoint), Runtime(arguments.backend, arguments.device)
    return evaluate_checkpoint(file, arguments.overrides, out, split=split, runtime=runtime, force=force)


if __name__ == "__main__":
    sys.exit(main())
