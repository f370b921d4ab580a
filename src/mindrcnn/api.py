"""The calls of `import mindrcnn`: load, train, evaluate.

They leave the process as it was: MindSpore's execution mode, NumPy's random state, logging and signal handlers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mindrcnn.build.device import exclusive_device
from mindrcnn.build.trained_model import open_checkpoint
from mindrcnn.engine.tracking.logging_setup import logging_kept
from mindrcnn.errors import InputError
from mindrcnn.predictor import Detector
from mindrcnn.tasks.evaluation import evaluated_checkpoint
from mindrcnn.tasks.split_evaluator import all_metrics
from mindrcnn.tasks.training import TrainedRun, trained_run

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
    device: "CPU", "GPU", "Ascend", or with a number such as "GPU:1"; None: the one of the checkpoint's configuration.
    score_thresh: least score of a detection, in place of the configuration's model.box.score_thresh.
    overrides: configuration keys to change, {"eval.mask_thresh": 0.4} or ["eval.mask_thresh=0.4"].

    Raises InputError for a file that is no checkpoint, a wrong override and a device that is not there.
    """
    further = _inference_keys(device) | ({} if score_thresh is None else {"model.box.score_thresh": score_thresh})
    with _process_kept():
        opened, config = open_checkpoint(_path(checkpoint, "checkpoint"), _changes(overrides, further))
        return Detector.of_checkpoint(opened, config)


def train(
    config: str | Path,
    overrides: Overrides = None,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    device: str | None = None,
) -> TrainedRun:
    """Trains as a configuration file says; returns the run's folder, metrics and checkpoints.

    config: the YAML file.
    overrides: configuration keys to change, {"train.batch_size": 4} or ["train.batch_size=4"].
    run_dir: a new or empty folder for the run; None: the next free one of runs/NAME, runs/NAME_2, ...
    resume: continues the run in `run_dir`, or in the latest folder of that name; starts it where there is none.
    device: as in `load`.

    Ctrl-C finishes the step, saves last.ckpt and raises KeyboardInterrupt; `resume` continues from there. Raises
    InputError for a wrong configuration, for data that cannot be trained on, and for a loss that is not finite.
    """
    folder = None if run_dir is None else _path(run_dir, "run_dir")
    with _process_kept():
        return trained_run(_path(config, "config"), _changes(overrides, _device_keys(device)), folder, resume=resume)


def evaluate(
    checkpoint: str | Path,
    *,
    overrides: Overrides = None,
    out: str | Path | None = None,
    device: str | None = None,
) -> dict[str, float]:
    """Evaluates a checkpoint on the validation split of its configuration; returns COCO's numbers by name.

    checkpoint: a .ckpt file.
    overrides: configuration keys to change, {"data.root": "other_data"} or ["data.root=other_data"].
    out: the folder for results.json, metrics.json and pictures; None: eval/ beside the checkpoint.
    device: as in `load`.

    Names are bbox_AP, bbox_AP50, bbox_AP75, bbox_APs, ... and, of a detector with masks, segm_AP, ...; values are 0..1,
    or -1 where nothing counts. Raises InputError for a bad checkpoint, override or data set.
    """
    folder = None if out is None else _path(out, "out")
    with _process_kept():
        done = evaluated_checkpoint(
            _path(checkpoint, "checkpoint"), _changes(overrides, _inference_keys(device)), folder
        )
        return all_metrics(done.metrics)


@contextmanager
def _process_kept() -> Iterator[None]:
    random_state = np.random.get_state()  # MindSpore's seed sets NumPy's too
    try:
        with exclusive_device(), logging_kept():
            yield
    finally:
        np.random.set_state(random_state)


def _path(value: str | Path, name: str) -> Path:
    if not isinstance(value, str | Path):
        raise InputError(f"{name}: wanted a path, got {type(value).__name__}")
    return Path(value).expanduser()


def _changes(overrides: Overrides, further: Mapping[str, Any]) -> Mapping[str, Any] | list[str]:
    """The overrides with those that the other arguments stand for, which take precedence."""
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
    """As _device_keys; a CPU refuses the float16 that a detector may have been trained in and is not predicted in."""
    keys = _device_keys(device)
    return keys | {"train.precision": "float32"} if keys.get("device.target") == "CPU" else keys
