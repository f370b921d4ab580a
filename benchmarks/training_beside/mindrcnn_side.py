"""This package's side, one action a process: `prepare` what both sides read, `train`, and `score` the other side.

python -m benchmarks.training_beside.mindrcnn_side ACTION RUNS DATA MODEL SEED
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mindspore
import numpy as np
from numpy.typing import NDArray

from benchmarks.training_beside.piece import (
    CHECKPOINT,
    CONFIG,
    LOSSES,
    MINDRCNN,
    PREDICTIONS,
    REQUEST,
    RESULT,
    RUN,
    TORCHVISION,
    TRAINED,
    Run,
    write_json,
)
from benchmarks.training_beside.preparation import write_config, write_inputs
from mindrcnn import __version__
from mindrcnn.build.data import build_dataset
from mindrcnn.build.device import set_device
from mindrcnn.config.loader import load_config
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.tracking.metrics_log import read_rows
from mindrcnn.engine.tracking.recorder import METRICS
from mindrcnn.engine.trainer import Progress
from mindrcnn.image_detector import Detector
from mindrcnn.tasks.checkpoints import checkpoint_writer
from mindrcnn.tasks.preparation import prepare as prepare_training
from mindrcnn.tasks.split_evaluator import SplitEvaluator, headline
from mindrcnn.tasks.training import run_training


def prepare(run: Run) -> None:
    """Writes the initial weights of both sides, and the images and their order for the other one."""
    request = json.loads((run.inputs / REQUEST).read_text(encoding="utf-8"))
    config = write_config(run, **{**request, "data": Path(request["data"])})
    set_device(config.device, config.train.seed)
    ready = prepare_training(config, Ranks(), None)
    write = checkpoint_writer(ready.config, ready.data.train, ready.plan, ready.state, 1)
    write(run.inputs / CHECKPOINT, Progress())
    write_inputs(run, ready.config, ready)


def train(run: Run) -> None:
    """Trains and evaluates as `mindrcnn train` does, from the initial weights; a variant's configuration names them."""
    started = time.perf_counter()
    folder = run.side(MINDRCNN)
    weights = run.inputs / CHECKPOINT
    overrides = {"train.init_checkpoint": str(weights)} if weights.is_file() else {}
    done = run_training(run.inputs / CONFIG, overrides, folder / RUN, resume=True)
    rows = [row for row in read_rows(done.folder / METRICS) if row["kind"] == "train"]
    losses = {name: [row["losses"][name] for row in rows] for name in LOSSES if name in rows[0]["losses"]}
    seconds = time.perf_counter() - started
    device = mindspore.get_context("device_target")
    versions = f"MindRCNN {__version__}, MindSpore {mindspore.__version__}, {device}"
    write_json(
        folder / RESULT, {"metrics": dict(done.metrics), "losses": losses, "seconds": seconds, "versions": versions}
    )


def score(run: Run) -> None:
    """Pastes and scores what torchvision's side predicted, with the code that does so for ours."""
    folder = run.side(TORCHVISION)
    config = load_config(run.inputs / CONFIG)
    dataset = build_dataset(config.data, config.data.val, "data.val")
    with np.load(folder / PREDICTIONS) as arrays:
        detector = Detector(
            predict=replayed(dict(arrays)),
            config=config,
            classes=dataset.classes,
            category_ids=dataset.category_ids,
            compiles=False,
        )
        metrics = SplitEvaluator(config=config, dataset=dataset).run(detector, folder / "eval")
    trained = json.loads((folder / TRAINED).read_text(encoding="utf-8"))
    write_json(folder / RESULT, {"metrics": headline(metrics), **trained})


def replayed(arrays: dict[str, NDArray[Any]]) -> Callable[..., tuple[NDArray[Any], ...]]:
    """Returns a function that gives the stored outputs of one image after another, in the order of evaluation."""
    names = ("boxes", "scores", "labels", "valid", *(("masks", "scores") if "0/masks" in arrays else ()))
    outputs: Iterator[tuple[NDArray[Any], ...]] = (
        tuple(arrays[f"{number}/{name}"][None] for name in names)
        for number in range(sum(key.endswith("/boxes") for key in arrays))
    )
    return lambda images, sizes: next(outputs)


ACTIONS = {"prepare": prepare, "train": train, "score": score}

if __name__ == "__main__":
    action, *words = sys.argv[1:]
    ACTIONS[action](Run.of(words))
