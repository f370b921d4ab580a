"""The command line of `mindrcnn eval`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mindrcnn.exit_status import run
from mindrcnn.programs.command_line import CONFIG_HELP, add_overrides, add_runtime, new_parser

PROG = "mindrcnn eval"
DESCRIPTION = """
Evaluate a checkpoint or an exported model on the validation split of its configuration, or score a saved results file.
The COCO tables are printed; results, metrics and pictures are written to the output folder.
"""
EXAMPLES = """
%(prog)s runs/first/best.ckpt
%(prog)s runs/first/best.ckpt data.root=/path/to/coco eval.batch_size=4 --out tables
%(prog)s detector.onnx data.root=/path/to/coco --device gpu
%(prog)s --results results.json --config configs/mask_rcnn_r50_fpn_1x_coco.yaml data.root=/path/to/coco
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "checkpoint", nargs="?", metavar="MODEL", help="checkpoint (.ckpt) or exported model (.onnx, .mindir)"
    )
    add_overrides(parser)
    parser.add_argument("--results", type=Path, metavar="FILE", help="score this results JSON instead of a checkpoint")
    parser.add_argument("--config", type=Path, metavar="CONFIG", help=f"with --results: {CONFIG_HELP}")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for results, metrics and pictures (default: "
        "eval beside the model; with --results, the folder of that file)",
    )
    add_runtime(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parser.parse_intermixed_args(words)
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
    from mindrcnn.opening import Runtime
    from mindrcnn.tasks.evaluation import evaluate_checkpoint, evaluate_results

    if arguments.results is not None:
        return run(lambda: evaluate_results(arguments.results, arguments.config, arguments.overrides, arguments.out))
    file, runtime = Path(arguments.checkpoint), Runtime(arguments.backend, arguments.device)
    return run(lambda: evaluate_checkpoint(file, arguments.overrides, arguments.out, runtime=runtime))
