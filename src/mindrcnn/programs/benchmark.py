"""The command line of `mindrcnn benchmark`."""

import argparse
import sys
from collections.abc import Sequence

from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import (
    MODEL_HELP,
    add_force,
    add_overrides,
    add_runtime,
    new_parser,
    not_negative,
    parse_intermixed,
    path,
    positive,
)

PROG = "mindrcnn benchmark"
DESCRIPTION = """
Measure a checkpoint or exported model: latency percentiles, throughput and memory at one batch and input size.

Latency is the time of a call with images that are ready: the network, and boxes in the pixels of the images. Times with
reading and resizing the images, and with pasting and encoding the masks, are given beside it. Without --images the
images are noise, in which a detector finds few objects, or none; masks cost time for each object.
"""
EXAMPLES = """
%(prog)s runs/first/best.ckpt --batch 4 --images demo_data/val
%(prog)s detector.onnx --size 800x1344 --backend openvino --images photos --json speed.json
%(prog)s detector.onnx --batch 32 --device gpu
%(prog)s torchvision/mask_rcnn_r50_fpn --images photos
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("model", type=path, metavar="MODEL", help=MODEL_HELP)
    add_overrides(parser)
    parser.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="images per call (default: 1; with an exported model of a fixed batch, that)",
    )
    parser.add_argument("--size", metavar="HxW", help="input height and width (default: the first of data.buckets)")
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="IMAGES",
        default=[],
        help="image files, folders or patterns in quotes to predict (default: images of noise)",
    )
    parser.add_argument(
        "--warmup",
        type=not_negative,
        metavar="N",
        default=3,
        help="calls before the measurement (default: %(default)s)",
    )
    parser.add_argument(
        "--calls", type=positive, metavar="N", default=20, help="calls to measure (default: %(default)s)"
    )
    parser.add_argument(
        "--json", type=path, metavar="FILE", help="write the report as JSON too (default: print it only)"
    )
    add_force(parser)
    add_runtime(parser)


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    return parse_intermixed(parser, words)


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Measures as the arguments say."""
    from mindrcnn.opening import Runtime
    from mindrcnn.tasks.benchmark import benchmark

    return benchmark(
        arguments.model,
        arguments.overrides,
        batch=arguments.batch,
        size=arguments.size,
        sources=arguments.images,
        warm_up=arguments.warmup,
        calls=arguments.calls,
        json_file=arguments.json,
        runtime=Runtime(arguments.backend, arguments.device),
        force=arguments.force,
    )


if __name__ == "__main__":
    sys.exit(main())
