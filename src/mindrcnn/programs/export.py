"""The command line of `mindrcnn export`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import add_force, add_overrides, new_parser, parse_intermixed, path

PROG = "mindrcnn export"
DESCRIPTION = """
Export a checkpoint's detector for deployment as one file: ONNX for any batch and size or for fixed shapes, MINDIR and
AIR for fixed shapes.

Inputs: images (N, 3, H, W) uint8 in the configured channel order, zero padded at the bottom and right; image_sizes
(N, 2) int32, the (height, width) of each image without its padding. Outputs: those of TwoStageDetector.predict.
docs/deploy.md explains them.
"""
EXAMPLES = """
%(prog)s runs/first/best.ckpt --format onnx --out detector.onnx
%(prog)s runs/first/best.ckpt --format onnx --height 800 --width 1344 --batch 1
%(prog)s runs/first/best.ckpt --out detector.mindir --height 800 --width 1344 --batch 1
%(prog)s runs/first/best.ckpt --format air device.target=Ascend
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument(
        "checkpoint", type=path, metavar="CHECKPOINT", help="checkpoint (.ckpt) or published model's name"
    )
    add_overrides(parser)
    parser.add_argument(
        "--format",
        choices=("ONNX", "MINDIR", "AIR"),
        type=str.upper,
        default="MINDIR",
        help="format of the file; AIR needs an Ascend device (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=path, metavar="FILE", help="file to write (default: the checkpoint's name with another suffix)"
    )
    parser.add_argument(
        "--height", type=int, metavar="PIXELS", help="input height (default: that of the first bucket; any with ONNX)"
    )
    parser.add_argument("--width", type=int, metavar="PIXELS", help="input width (default: the same way)")
    parser.add_argument("--batch", type=int, metavar="N", help="images per call (default: 1; any with ONNX)")
    add_force(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parse_intermixed(parser, words)
    if (arguments.height is None) != (arguments.width is None):
        parser.error("--height and --width go together")
    return arguments


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Exports as the arguments say."""
    from mindrcnn.tasks.export import export

    return export(
        arguments.checkpoint,
        arguments.overrides,
        file_format=arguments.format,
        out=arguments.out,
        size=None if arguments.height is None else (arguments.height, arguments.width),
        batch=arguments.batch,
        force=arguments.force,
    )


if __name__ == "__main__":
    sys.exit(main())
