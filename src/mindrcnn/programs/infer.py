"""The command line of `mindrcnn infer`."""

import argparse
import glob
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.exit_status import run_network
from mindrcnn.programs.command_line import (
    MODEL_HELP,
    add_force,
    add_runtime,
    new_parser,
    parse_intermixed,
    path,
    positive,
    probability,
)

PROG = "mindrcnn infer"
DESCRIPTION = """
Predict image files. All predictions are written to one predictions.json, and each image with its predictions drawn on
it. The exit status is 3 if some images could not be read.
"""
EXAMPLES = """
%(prog)s runs/first/best.ckpt photo.jpg folder 'more/*.png' --out found
%(prog)s runs/first/best.ckpt folder --score 0.6 --classes person,dog
%(prog)s runs/first/best.ckpt folder eval.mask_thresh=0.4
%(prog)s detector.onnx folder --backend openvino --batch 8
%(prog)s torchvision/mask_rcnn_r50_fpn photo.jpg
"""

OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_0-9]+)*=")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("checkpoint", type=path, metavar="MODEL", help=MODEL_HELP)
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="image file, folder, or pattern in quotes; a word a.b=c that is not a file sets a configuration key",
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        default=Path("inferred"),
        help="folder for the JSON and the pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--score",
        type=probability,
        metavar="NUMBER",
        default=0.5,
        help="lowest score of a prediction to keep (default: %(default)s)",
    )
    parser.add_argument(
        "--score-per-class",
        type=path,
        metavar="FILE",
        help="lowest scores of single classes, such as score_best_f1.json of `mindrcnn report`; others have --score "
        "(default: none)",
    )
    parser.add_argument(
        "--classes",
        metavar="NAMES",
        default="",
        help="names of the classes to keep, separated by commas (default: all)",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        metavar="N",
        help="images per forward pass (default: 1; with an exported model of a fixed batch, that)",
    )
    parser.add_argument(
        "--format",
        choices=("mindrcnn", "zoo"),
        default="mindrcnn",
        help="form of predictions.json; zoo: the model zoo's map from path to predictions, with labels from 0 "
        "(default: %(default)s)",
    )
    add_force(parser)
    add_runtime(parser)


def split_overrides(words: list[str]) -> tuple[list[str], list[str]]:
    """Returns (images, a.b=c overrides); what exists, or a pattern that matches, is an image whatever its name."""
    overrides = [word for word in words if OVERRIDE.match(word) and not is_there(word)]
    return [word for word in words if word not in overrides], overrides


def is_there(word: str) -> bool:
    """Tells whether a word names a file or folder, or is a pattern that matches any; a value can be too long for it."""
    try:
        return paths.exists(Path(word)) or bool(glob.has_magic(word) and paths.expand_pattern(word))
    except InputError:
        return False


def parse_arguments(words: Sequence[str] | None = None, *, prog: str = PROG) -> argparse.Namespace:
    """Parses the command line; ends the program on a wrong one."""
    parser = new_parser(prog=prog, description=DESCRIPTION, examples=EXAMPLES)
    add_arguments(parser)
    arguments = parse_intermixed(parser, words)
    arguments.images, arguments.overrides = split_overrides(arguments.images)
    if not arguments.images:
        parser.error("wanted at least one image file, folder or pattern")
    arguments.classes = [name.strip() for name in arguments.classes.split(",") if name.strip()]
    return arguments


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Predicts as the arguments say."""
    from mindrcnn.opening import Runtime
    from mindrcnn.tasks.inference import infer

    return infer(
        arguments.checkpoint,
        arguments.images,
        arguments.overrides,
        out=arguments.out,
        score_thresh=arguments.score,
        class_names=arguments.classes,
        batch_size=arguments.batch,
        runtime=Runtime(arguments.backend, arguments.device),
        zoo_format=arguments.format == "zoo",
        force=arguments.force,
        score_file=arguments.score_per_class,
    )


if __name__ == "__main__":
    sys.exit(main())
