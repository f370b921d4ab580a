"""The calls of `import mindrcnn`: load, train, evaluate.

They leave the process as it was: MindSpore's execution mode, NumPy's random state, logging and signal handlers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mindrcnn import paths
from mindrcnn.build.device import exclusive_device
from mindrcnn.build.trained_model import open_checkpoint
from mindrcnn.engine.tracking.logging_setup import preserve_logging
from mindrcnn.errors import InputError
from mindrcnn.predictor import Detector
from mindrcnn.tasks.evaluation import run_evaluation
from mindrcnn.tasks.split_evaluator import all_metrics
from mindrcnn.tasks.training import TrainedRun, run_training

Overrides: TypeAlias = Mapping[str, Any] | Sequence[str] | None

TARGETS = {"cpu": "CPU", "gpu": "GPU", "cuda": "GPU", "ascend": "Ascend", "npu": "Ascend"}


def load(
    checkpoint: str | Path,
    *,
    device: str | None = None,
    score_thresh: float | None = None,
    overrides: Overrides = None,
) -> Detector:
    """Returns the detector of a checkpoint, ready to predict.

    checkpoint: a .ckpt file that a training run or `mindrcnn convert` wrote.
    device: "CPU", "GPU" or "Ascend", or one of several as "GPU:1"; None takes the checkpoint's configuration.
    score_thresh: least score of a detection; None takes the configuration's model.box.score_thresh.
    overrides: configuration keys to change, {"eval.mask_thresh": 0.4} or ["eval.mask_thresh=0.4"].

    Raises InputError for a file that is not a checkpoint, a wrong override and an unavailable device.
    """
    further = _inference_keys(device) | ({} if score_thresh is None else {"model.box.score_thresh": score_thresh})
    with _preserve_process_state():
        opened, config = open_checkpoint(_path(checkpoint, "checkpoint"), _changes(overrides, further))
        return Detector.from_checkpoint(opened, config)


def train(
    config: str | Path,
    overrides: Overrides = None,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    device: str | None = None,
) -> TrainedRun:
    """Trains a model from a configuration file; returns the run's folder, metrics and checkpoints.

    config: the YAML file.
    overrides: configuration keys to change, {"train.batch_size": 4} or ["train.batch_size=4"].
    run_dir: a new or empty folder for the run; the default is the next free one of runs/NAME, runs/NAME_2, ...
    resume: continues the run in `run_dir`, or in the latest folder of that name; starts a new run if there is none.
    device: as in `load`.

    Ctrl-C finishes the step, saves last.ckpt and raises KeyboardInterrupt; `resume` continues from there. Raises
    InputError for a wrong configuration, unusable data and a loss that is not finite.
    """
    folder = None if run_dir is None else _path(run_dir, "run_dir")
    with _preserve_process_state():
        return run_training(_path(config, "config"), _changes(overrides, _device_keys(device)), folder, resume=resume)


def evaluate(
    checkpoint: str | Path,
    *,
    overrides: Overrides = None,
    out: str | Path | None = None,
    device: str | None = None,
    force: bool = False,
) -> dict[str, float]:
    """Evaluates a checkpoint on the validation split of its configuration; returns COCO's numbers by name.

    checkpoint: a .ckpt file.
    overrides: configuration keys to change, {"data.root": "other_data"} or ["data.root=other_data"].
    out: the folder for results.json, metrics.json and pictures; None: eval/ beside the checkpoint.
    device: as in `load`.
    force: whether files in `out` that MindRCNN did not write may be replaced.

    Names are bbox_AP, bbox_AP50, bbox_AP75, bbox_APs, ... and, for a detector with masks, segm_AP, ...; values are
    0..1, or -1 if there is nothing to count. Raises InputError for a bad checkpoint, override or data set.
    """
    folder = None if out is None else _path(out, "out")
    with _preserve_process_state():
        changes = _changes(overrides, _inference_keys(device))
        return all_metrics(run_evaluation(_path(checkpoint, "checkpoint"), changes, folder, force=force).metrics)


@contextmanager
def _preserve_process_state() -> Iterator[None]:
    random_state = np.random.get_state()  # MindSpore's seed sets NumPy's too
    try:
        with exclusive_device(), preserve_logging():
            yield
    finally:
        np.random.set_state(random_state)


def _path(value: str | Path, name: str) -> Path:
    if not isinstance(value, str | Path):
        raise InputError(f"{name}: wanted a path, got {type(value).__name__}")
    return paths.expand(value)


def _changes(overrides: Overrides, further: Mapping[str, Any]) -> Mapping[str, Any] | list[str]:
    """Returns the overrides with `further`, which takes precedence, added."""
    if overrides is None:
        return further
    if isinstance(overrides, Mapping):
        return {**overrides, **further}
    if isinstance(overrides, str):
        raise InputError(f"overrides: wanted a mapping or a list of 'a.b=value', got the text {overrides!r}")
    return [*overrides, *(f"{key}={value}" for key, value in further.items())]


def _device_keys(device: str | None) -> dict[str, Any]:
    if device is None:
        return {}
    name, _, number = device.partition(":")
    if name.lower() not in TARGETS or not (number.isdecimal() or ":" not in device):
        raise InputError(f"device: wanted CPU, GPU or Ascend, with a number such as GPU:1 if need be, got {device!r}")
    return {"device.target": TARGETS[name.lower()], "device.id": int(number or 0)}


def _inference_keys(device: str | None) -> dict[str, Any]:
    """Returns the device keys; on a CPU, which cannot train in float16, float32 too. Prediction is float32 anyway."""
    keys = _device_keys(device)
    return keys | {"train.precision": "float32"} if keys.get("device.target") == "CPU" else keys
