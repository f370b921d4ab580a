"""Detectors of this package and of torchvision, trained beside each other from the same start.

    python -m benchmarks.training_beside --fruits-nuts FOLDER --coco-mini FOLDER --weights mobilenet_v1.npz --out RUNS

The same MobileNetV1-FPN and initial weights, images in the same order without augmentation, schedule and batch on both
sides, torchvision's conventions on ours, and our COCO evaluation of both. What chance decides, the sampling of anchors
and proposals, each side draws for itself from the seed. Each side, seed, model and data set is a piece; those that are
done are skipped, so the command continues where it was stopped. The table and the picture are written after each piece.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.training_beside.piece import MINDRCNN, MODELS, REQUEST, SETTINGS, SIDES, Run, write_json
from benchmarks.training_beside.processes import start
from benchmarks.training_beside.report import write_report


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_beside",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--fruits-nuts", type=Path, metavar="FOLDER", help="train on 12 of its images, evaluate on 6")
    parser.add_argument("--coco-mini", type=Path, metavar="FOLDER", help="train and evaluate on 60 of its images")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV1's ImageNet weights")
    parser.add_argument("--out", type=Path, default=Path("runs/training_beside"), help="folder (default: %(default)s)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="default: both")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="number of seeds (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=300, help="length of training (default: %(default)s)")
    parser.add_argument("--short-side", type=int, default=192, help="of the input (default: %(default)s)")
    parser.add_argument(
        "--torch-python", default=sys.executable, metavar="PYTHON", help="interpreter with torch (default: this one)"
    )
    parser.add_argument(
        "--torch-device",
        default="cpu",
        metavar="DEVICE",
        help="such as cuda, of torchvision's side (default: %(default)s)",
    )
    parser.add_argument(
        "--report-only", action="store_true", help="write table and picture of the pieces that are done"
    )
    options = parser.parse_args(argv)
    if not data_folders(options):
        parser.error("wanted --fruits-nuts, --coco-mini or both")
    return options


def data_folders(options: argparse.Namespace) -> dict[str, Path]:
    """Returns the folders of the data sets by name."""
    folders = {"fruits_nuts": options.fruits_nuts, "coco_mini": options.coco_mini}
    return {name: folder for name, folder in folders.items() if folder is not None}


def all_runs(options: argparse.Namespace) -> Iterator[Run]:
    """Yields the runs: all seeds of a model before the next one."""
    for data in data_folders(options):
        for model in options.models:
            for seed in range(options.seeds):
                yield Run(options.out.resolve(), data, model, seed)


def train_side(run: Run, side: str, options: argparse.Namespace) -> None:
    """Trains and evaluates one side."""
    if side == MINDRCNN:
        start(sys.executable, "mindrcnn_side", "train", *run.words)
    else:
        start(options.torch_python, "torchvision_side", *run.words, options.torch_device)
        start(sys.executable, "mindrcnn_side", "score", *run.words)


def prepare(run: Run, options: argparse.Namespace) -> None:
    """Writes what both sides read, unless that has been done."""
    if (run.inputs / SETTINGS).is_file():
        return
    run.inputs.mkdir(parents=True, exist_ok=True)
    request = {
        "data": str(data_folders(options)[run.data].resolve()),
        "weights": str(options.weights.resolve()),
        "steps": options.steps,
        "short_side": options.short_side,
    }
    write_json(run.inputs / REQUEST, request)
    start(sys.executable, "mindrcnn_side", "prepare", *run.words)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what is missing; returns the exit status."""
    options = parse(argv)
    runs = list(all_runs(options))
    for run in () if options.report_only else runs:
        prepare(run, options)
        for side in (side for side in reversed(SIDES) if not run.is_done(side)):
            started = time.monotonic()
            print(f"{run.name} {side} ...", flush=True)
            train_side(run, side, options)
            print(f"{run.name} {side}: {time.monotonic() - started:.0f} s", flush=True)
            write_report(runs, options.out)
    print(write_report(runs, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
