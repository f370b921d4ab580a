"""The `mindrcnn` command: the table of its sub-commands, its help, and the call of one of them.

A sub-command's module is imported only when it is called, so that help, the version and errors come at once.
"""

import difflib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from mindrcnn import __version__
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_INPUT, EXIT_OK, report_bad_input


@dataclass(frozen=True)
class SubCommand:
    """A program of `mindrcnn.programs`, and its line in the help."""

    module: str
    summary: str


GROUPS: dict[str, dict[str, SubCommand]] = {
    "Train and use a detector": {
        "train": SubCommand("train", "train a detector, or resume a run"),
        "eval": SubCommand("evaluate", "compute COCO metrics of a checkpoint or of a results file"),
        "report": SubCommand("report", "write a page about what a detector gets wrong, and how runs differ"),
        "infer": SubCommand("infer", "predict image files; writes one JSON file and drawn pictures"),
        "export": SubCommand("export", "write a detector as ONNX, MINDIR or AIR for deployment"),
        "serve": SubCommand("serve", "answer HTTP requests with the predictions of a detector"),
        "benchmark": SubCommand("benchmark", "measure the speed and memory of a detector"),
        "offline": SubCommand("offline", "evaluate an exported model that another program runs"),
        "check": SubCommand("check", "say what is wrong with a training run, and what to do"),
        "launch": SubCommand("launch", "run train or eval in several processes, one per device"),
    },
    "Weights and results": {
        "models": SubCommand("models", "list published checkpoints that can be used by name"),
        "reproduce": SubCommand("reproduce", "measure the AP of published models and compare it with theirs"),
        "convert": SubCommand("convert", "import weights from other libraries, or export them"),
        "compare-masks": SubCommand("compare_masks", "draw the masks of several models side by side"),
    },
    "Data": {
        "demo": SubCommand("demo", "make a small data set of shapes to try things out"),
        "doctor": SubCommand("doctor", "check a data set for problems that would break or degrade training"),
        "browse": SubCommand("browse", "look at a data set: its images as annotated and as the network gets them"),
        "subset": SubCommand("subset", "split a COCO file by images, at random or by class, in two or in folds"),
        "convert-data": SubCommand("convert_data", "write the export of an annotation tool as COCO JSON"),
        "mindrecord": SubCommand("mindrecord", "convert a data set to MindRecord files"),
    },
    "Setup": {
        "migrate": SubCommand("migrate", "convert a configuration of the MindSpore model zoo"),
        "build-kernels": SubCommand("build_kernels", "compile the C++ kernels now instead of at first use"),
        "config-reference": SubCommand("config_reference", "print the page that explains every configuration key"),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}

USAGE = "usage: mindrcnn [-h] [--version] COMMAND ...\n"
INTRODUCTION = """
Two-stage object detection and instance segmentation in MindSpore: Faster R-CNN, Mask R-CNN, Mask Scoring R-CNN and
PointRend.
"""
ENDING = """
Options:
  -h, --help         show this help and exit
  --version          show the version and exit

Examples:
  mindrcnn demo demo_data
  mindrcnn train configs/demo/mask_rcnn_mobilenet_v1.yaml --run-dir runs/first
  mindrcnn eval runs/first/best.ckpt
  mindrcnn infer runs/first/best.ckpt demo_data/val --out found

`mindrcnn COMMAND --help` explains a command. Configuration files that do not exist on disk are looked up among those
that come with the package, so the examples work in any folder.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Runs the sub-command named by `words`, by default those of the command line; returns its exit status."""
    first, *rest = list(sys.argv[1:] if words is None else words) or [""]
    if first in ("-h", "--help"):
        sys.stdout.write(help_text())
        return EXIT_OK
    if first == "--version":
        sys.stdout.write(f"mindrcnn {__version__}\n")
        return EXIT_OK
    if not first:
        sys.stderr.write(help_text())
        return EXIT_INPUT
    if first not in COMMANDS:
        return report_bad_input(lambda: refuse(first))
    program = importlib.import_module(f"mindrcnn.programs.{COMMANDS[first].module}")
    status: int = program.main(rest)
    return status


def help_text() -> str:
    """Returns the usage, the sub-commands by group, the options and examples."""
    groups = []
    for title, commands in GROUPS.items():
        lines = [f"  {name:<17}  {command.summary}\n" for name, command in commands.items()]
        groups.append(f"\n{title}:\n{''.join(lines)}")
    return "".join((USAGE, INTRODUCTION, *groups, ENDING))


def refuse(word: str) -> int:
    """Raises InputError for a word that is no sub-command, with the nearest one."""
    if word.startswith("-"):
        raise InputError(f"wanted a command, got the option {word}; `mindrcnn --help` lists the commands")
    near = difflib.get_close_matches(word, COMMANDS, n=1)
    if near:
        raise InputError(f"unknown command {word}, nearest command: {near[0]}")
    raise InputError(f"unknown command {word}, wanted one of {', '.join(COMMANDS)}")
