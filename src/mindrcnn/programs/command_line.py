"""Parts that the programs' command lines share."""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError

CONFIG_HELP = "configuration file (YAML): on disk, or one that comes with the package"
MODEL_HELP = "checkpoint (.ckpt), exported model (.onnx, .mindir), or a name that `mindrcnn models` lists"
BACKENDS = ("onnxruntime", "openvino", "mindspore", "lite")  # of exported.opening, which is slow to import
OVERRIDES_HELP = "configuration keys to change, with values in YAML"


def new_parser(*, prog: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Returns a parser without arguments; in both texts %(prog)s stands for the program's name."""
    width = shutil.get_terminal_size().columns - 2  # argparse's own
    paragraphs = description.strip().split("\n\n")
    return argparse.ArgumentParser(
        prog=prog,
        description="\n\n".join(textwrap.fill(paragraph, width) for paragraph in paragraphs),
        epilog="examples:\n" + textwrap.indent(examples.strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Adds the words a.b=c that may stand anywhere on the command line."""
    parser.add_argument("overrides", nargs="*", metavar="a.b=c", help=OVERRIDES_HELP)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Adds --force, for programs that write files under names that the user gives."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace files even if they are inputs, or not written by MindRCNN (default: stop before any work)",
    )


def parse_intermixed(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> argparse.Namespace:
    """Parses words and options in any order; after `--`, which argparse does not know there, all words are paths."""
    given = list(sys.argv[1:] if words is None else words)
    end = given.index("--") if "--" in given else len(given)
    rest = [f"./{word}" if word.startswith("-") else word for word in given[end + 1 :]]
    return parser.parse_intermixed_args(given[:end] + rest)


def path(text: str) -> Path:
    """Returns a path; `~` is expanded as in a configuration, since the shell leaves it in `--out=~/x`."""
    try:
        return paths.expand(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of what computes a model."""
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what runs an exported model (default: ONNX Runtime for .onnx, MindSpore for .mindir)",
    )
    parser.add_argument(
        "--device",
        metavar="NAME",
        help="cpu, gpu or ascend, or one of several as gpu:1 (default: the checkpoint's; cpu for an exported model)",
    )


def add_export(parser: argparse.ArgumentParser) -> None:
    """Adds what tells the data in an annotation tool's export: --split, --class-attribute and --skip-missing-images."""
    parser.add_argument("--split", default="", metavar="NAME", help="split of the export (default: all of it)")
    parser.add_argument(
        "--class-attribute",
        default="",
        metavar="NAME",
        help="same as data.train.class_attribute (default: the only one, or one of a usual name)",
    )
    parser.add_argument(
        "--skip-missing-images",
        action="store_true",
        help="leave out images that are listed but absent (default: they are an error)",
    )


def positive(text: str) -> int:
    """Returns a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number above 0, got {text}")
    return int(text)


def not_negative(text: str) -> int:
    """Returns a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"wanted a whole number from 0, got {text}")
    return int(text)


def port_number(text: str) -> int:
    """Returns a number from 0 to 65535."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"wanted a number from 0 to 65535, got {text}")
    return int(text)


def probability(text: str) -> float:
    """Returns a number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"wanted a number from 0 to 1, got {text}")
    return value
