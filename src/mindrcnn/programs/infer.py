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
Predict images, videos, web addresses or a camera. Unless --save says otherwise, all predictions are written to one
predictions.json, and each image and video with its predictions drawn on it. The exit status is 3 if some images could
not be read.
"""
EXAMPLES = """
%(prog)s runs/first/best.ckpt photo.jpg folder 'more/*.png' --out found
%(prog)s runs/first/best.ckpt folder --score 0.6 --classes person,dog
%(prog)s runs/first/best.ckpt folder eval.mask_thresh=0.4
%(prog)s detector.onnx folder --backend openvino --batch 8
%(prog)s detector.onnx clip.mp4 --every 5 --save pictures,jsonl
%(prog)s detector.onnx aerial.tif --tiles 800 --overlap 0.2
find archive -name '*.jpg' | %(prog)s detector.onnx - --save jsonl --resume --shard 3/16
%(prog)s torchvision/mask_rcnn_r50_fpn photo.jpg
"""

# Of tasks.results.kinds, which is slow to import.
SAVED = (
    "pictures",
    "json",
    "coco",
    "coco-dataset",
    "labelme",
    "masks",
    "crops",
    "frames",
    "csv",
    "counts",
    "jsonl",
    "none",
)
DEFAULT = ("pictures", "json")

OVERRIDE = re.compile(r"[a-z_]+(\.[a-z_0-9]+)*=")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the program's arguments."""
    parser.add_argument("checkpoint", type=path, metavar="MODEL", help=MODEL_HELP)
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="image, video, folder, pattern in quotes, list (.txt), `-` for a list on standard input, https address, "
        "or number of a camera; a word a.b=c that is not a file sets a configuration key",
    )
    add_selection(parser)
    parser.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        default=Path("inferred"),
        help="folder for the JSON and the pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--save",
        action="append",
        metavar="KINDS",
        help=f"results to write, of {', '.join(SAVED)}, separated by commas (default: pictures,json)",
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
    add_tiles(parser)
    add_style(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue what an earlier run has begun: images in its predictions.jsonl are not predicted again "
        "(default: start over)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="log warnings and errors alone")
    add_force(parser)
    add_runtime(parser)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Adds which of the images, frames and predictions are taken."""
    parser.add_argument("-r", "--recursive", action="store_true", help="enter the folders in folders (default: do not)")
    parser.add_argument(
        "--every", type=positive, metavar="N", default=1, help="take every N-th frame of a video (default: %(default)s)"
    )
    parser.add_argument(
        "--shard",
        type=shard,
        metavar="K/N",
        default=(1, 1),
        help="predict the K-th of N parts of the images, for N processes or machines (default: all)",
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


def add_tiles(parser: argparse.ArgumentParser) -> None:
    """Adds how large images are cut."""
    parser.add_argument(
        "--tiles",
        type=positive,
        metavar="PIXELS",
        help="cut larger images into tiles of this side, for objects that are small in them (default: do not)",
    )
    parser.add_argument(
        "--overlap",
        type=probability,
        metavar="PART",
        default=0.2,
        help="part of a tile that its neighbour shares (default: %(default)s)",
    )


def add_style(parser: argparse.ArgumentParser) -> None:
    """Adds how objects are drawn."""
    parser.add_argument(
        "--color",
        "--colour",
        choices=("class", "instance"),
        default="class",
        help="whether objects of a class share a colour, or each has its own (default: %(default)s)",
    )
    parser.add_argument(
        "--line-width", type=positive, metavar="PIXELS", help="thickness of lines (default: by the size of the image)"
    )
    parser.add_argument("--hide-labels", action="store_true", help="draw no names of classes (default: draw them)")
    parser.add_argument("--hide-scores", action="store_true", help="draw no scores (default: draw them)")


def shard(text: str) -> tuple[int, int]:
    """Returns K and N of K/N."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"wanted K/N with K from 1 to N, such as 3/16, got {text}")
    return int(number), int(count)


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
        parser.error("wanted at least one image, folder, pattern, video, list or address")
    arguments.classes = parts(arguments.classes)
    arguments.save = DEFAULT if arguments.save is None else parts(",".join(arguments.save))
    return arguments


def parts(text: str) -> list[str]:
    """Returns what stands between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def main(words: Sequence[str] | None = None, *, prog: str = PROG) -> int:
    """Runs the program and returns its exit status."""
    arguments = parse_arguments(words, prog=prog)
    return run_network(lambda: start(arguments))


def start(arguments: argparse.Namespace) -> int:
    """Predicts as the arguments say."""
    from mindrcnn.drawing.style import Style
    from mindrcnn.opening import Runtime
    from mindrcnn.tasks.inference import infer
    from mindrcnn.tasks.sources.search import Shard
    from mindrcnn.tiling.windows import tiling_of

    return infer(
        arguments.checkpoint,
        arguments.images,
        arguments.overrides,
        out=arguments.out,
        score_thresh=arguments.score,
        class_names=arguments.classes,
        batch_size=arguments.batch,
        runtime=Runtime(arguments.backend, arguments.device),
        save=arguments.save,
        style=Style(
            colour_by=arguments.color,
            line_width=arguments.line_width,
            labels=not arguments.hide_labels,
            scores=not arguments.hide_scores,
        ),
        zoo_format=arguments.format == "zoo",
        force=arguments.force,
        recursive=arguments.recursive,
        every=arguments.every,
        tiling=tiling_of(arguments.tiles, arguments.overlap),
        shard=Shard(*arguments.shard),
        resume=arguments.resume,
        quiet=arguments.quiet,
        score_file=arguments.score_per_class,
    )


if __name__ == "__main__":
    sys.exit(main())
