"""The calls of `import mindrcnn`: load, train, evaluate.

They leave the process as it was: MindSpore's execution mode, NumPy's random state, logging and signal handlers.
MindSpore is imported by the calls that need it, because an exported model is loaded without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from mindrcnn import paths
from mindrcnn.engine.tracking.logging_setup import preserve_logging
from mindrcnn.errors import InputError
from mindrcnn.exported.opening import is_exported
from mindrcnn.image_detector import Detector
from mindrcnn.obtain import checkpoint_file
from mindrcnn.opening import (
    Runtime,
    device_keys,
    open_detector,
    open_exported_model,
    with_overrides,
)

if TYPE_CHECKING:
    from mindrcnn.tasks.training import TrainedRun

Overrides: TypeAlias = Mapping[str, Any] | Sequence[str] | None


def load(
    checkpoint: str | Path,
    *,
    device: str | None = None,
    score_thresh: float | None = None,
    overrides: Overrides = None,
    backend: str | None = None,
) -> Detector:
    """Returns the detector of a checkpoint or an exported model, ready to predict.

    checkpoint: a .ckpt file that a training run or `mindrcnn convert` wrote, a .onnx or .mindir file of
        `mindrcnn export`, or the name of a published model, such as "torchvision/mask_rcnn_r50_fpn" (`mindrcnn models`
        lists them), which is downloaded once. A .onnx file is loaded and runs without MindSpore.
    device: "CPU", "GPU" or "Ascend", or one of several as "GPU:1"; None takes the checkpoint's configuration, and the
        CPU for an exported model.
    score_thresh: least score of a detection; None takes the configuration's model.box.score_thresh. An exported model
        cannot go below its own.
    overrides: configuration keys to change, {"eval.mask_thresh": 0.4} or ["eval.mask_thresh=0.4"].
    backend: what runs a .onnx file, "onnxruntime" (default) or "openvino".

    Raises InputError for a file of another kind, a wrong override, and an unavailable device or back end.
    """
    file, runtime = _path(checkpoint, "checkpoint"), Runtime(backend, device)
    changes = with_overrides(overrides, {} if score_thresh is None else {"model.box.score_thresh": score_thresh})
    if is_exported(file):
        return open_exported_model(file, changes, runtime)
    with _preserve_process_state():
        return open_detector(checkpoint_file(file), changes, runtime=runtime)


def train(
    config: str | Path,
    overrides: Overrides = None,
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    device: str | None = None,
    recipe: Literal["small", "medium", "coco"] | None = None,
) -> TrainedRun:
    """Trains a model from a configuration file; returns the run's folder, metrics and checkpoints.

    config: the YAML file.
    overrides: configuration keys to change, {"train.batch_size": 4} or ["train.batch_size=4"].
    run_dir: a new or empty folder for the run; the default is the next free one of runs/NAME, runs/NAME_2, ...
    resume: continues the run in `run_dir`, or in the latest folder of that name; starts a new run if there is none.
    device: as in `load`.
    recipe: chooses what the overrides do not set from the data, as `mindrcnn train --recipe` does.

    Ctrl-C finishes the step, saves last.ckpt and raises KeyboardInterrupt; `resume` continues from there. Raises
    InputError for a wrong configuration, unusable data and a loss that is not finite.
    """
    from mindrcnn.tasks.training import run_training

    folder = None if run_dir is None else _path(run_dir, "run_dir")
    with _preserve_process_state():
        changes = with_overrides(overrides, device_keys(device))
        return run_training(_path(config, "config"), changes, folder, resume=resume, recipe=recipe)


def evaluate(
    checkpoint: str | Path,
    *,
    overrides: Overrides = None,
    out: str | Path | None = None,
    device: str | None = None,
    force: bool = False,
    backend: str | None = None,
) -> dict[str, float]:
    """Evaluates a checkpoint or exported model on the validation split of its configuration.

    Returns COCO's numbers by name.

    checkpoint: a .ckpt, .onnx or .mindir file, or the name of a published model.
    overrides: configuration keys to change, {"data.root": "other_data"} or ["data.root=other_data"].
    out: the folder for results.json, metrics.json and pictures; None: eval/ beside the checkpoint, or evaluated/NAME
        for a name.
    device: as in `load`.
    force: whether files in `out` that MindRCNN did not write may be replaced.
    backend: as in `load`.

    Names are bbox_AP, bbox_AP50, bbox_AP75, bbox_APs, ... and, for a detector with masks, segm_AP, ...; values are
    0..1, or -1 if there is nothing to count. Raises InputError for a bad checkpoint, override or data set.
    """
    from mindrcnn.tasks.evaluation import run_evaluation
    from mindrcnn.tasks.split_evaluator import all_metrics

    file, folder = _path(checkpoint, "checkpoint"), None if out is None else _path(out, "out")
    with _preserve_process_state():
        runtime = Runtime(backend, device)
        changes = with_overrides(overrides, {})
        return all_metrics(run_evaluation(file, changes, folder, runtime=runtime, force=force).metrics)


@contextmanager
def _preserve_process_state() -> Iterator[None]:
    from mindrcnn.build.device import exclusive_device

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
