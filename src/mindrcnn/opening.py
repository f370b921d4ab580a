"""A detector from a file, whichever kind: a checkpoint or an exported model. Only checkpoints need MindSpore."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.errors import InputError
from mindrcnn.exported.opening import is_exported, open_exported
from mindrcnn.image_detector import Detector

logger = logging.getLogger(__name__)

TARGETS = {"cpu": "CPU", "gpu": "GPU", "cuda": "GPU", "ascend": "Ascend", "npu": "Ascend"}


@dataclass(frozen=True)
class Runtime:
    """What computes a model.

    backend: the runtime of an exported model, see exported.opening.BACKENDS; None takes the first for its format.
    device: CPU, GPU or Ascend, or one of several as GPU:1; None takes the configuration's, and for an exported model
        the CPU.
    """

    backend: str | None = None
    device: str | None = None


DEFAULT_RUNTIME = Runtime()


def open_detector(
    file: Path,
    overrides: Overrides = (),
    *,
    runtime: Runtime = DEFAULT_RUNTIME,
    lowest_score: float | None = None,
) -> Detector:
    """Returns the detector of a checkpoint or an exported model.

    file: its name, ending in .ckpt, .onnx or .mindir.
    overrides: configuration keys to change.
    runtime: the back end and device.
    lowest_score: a score from which detections are wanted; a checkpoint's model.box.score_thresh is lowered to it,
        while an exported model's is fixed.
    Raises InputError for a bad file, override, back end or device.
    """
    if not is_exported(file):
        return _open_checkpoint(file, overrides, runtime, lowest_score)
    detector = open_exported_model(file, overrides, runtime)
    least = detector.config.model.box.score_thresh
    if lowest_score is not None and lowest_score < least:
        logger.warning("%s has no detections with scores below %g", file, least)
    return detector


def open_exported_model(file: Path, overrides: Overrides, runtime: Runtime) -> Detector:
    """Returns the detector of an exported model."""
    device = parse_device(runtime.device or "CPU")
    return open_exported(file, overrides, backend=runtime.backend, device=device)


def _open_checkpoint(file: Path, overrides: Overrides, runtime: Runtime, lowest_score: float | None) -> Detector:
    from mindrcnn.build.trained_model import open_checkpoint
    from mindrcnn.predictor import checkpoint_detector

    refuse_backend(file, runtime)
    checkpoint, config = open_checkpoint(file, with_overrides(overrides, inference_keys(runtime.device)))
    return checkpoint_detector(checkpoint, config if lowest_score is None else lower_score_thresh(config, lowest_score))


def images_per_call(detector: Detector, file: Path, batch: int | None, *, default: int = 1) -> int:
    """Returns the number of images per call: `batch`, else the one that the file is fixed to, else the default.

    Raises InputError if the file is fixed to another.
    """
    if batch is not None and detector.batch not in (None, batch):
        raise InputError(f"--batch: wanted {detector.batch}, which {file} is fixed to, got {batch}")
    return batch or detector.batch or default


def refuse_backend(file: Path, runtime: Runtime) -> None:
    """Raises InputError if another back end than MindSpore, a checkpoint's only one, is asked for."""
    if runtime.backend not in (None, "mindspore"):
        raise InputError(f"--backend: wanted an exported model (.onnx, .mindir) with it, got {file}")


def lower_score_thresh(config: Config, score_thresh: float) -> Config:
    """Lowers model.box.score_thresh to `score_thresh`, so that the detector does not drop what is asked for."""
    box = config.model.box
    box = replace(box, score_thresh=min(box.score_thresh, score_thresh))
    return replace(config, model=replace(config.model, box=box))


def with_overrides(overrides: Overrides | None, further: Mapping[str, Any]) -> Mapping[str, Any] | list[str]:
    """Returns the overrides with `further`, which takes precedence, added. Raises InputError for a single text."""
    if overrides is None:
        return further
    if isinstance(overrides, Mapping):
        return {**overrides, **further}
    if isinstance(overrides, str):
        raise InputError(f"overrides: wanted a mapping or a list of 'a.b=value', got the text {overrides!r}")
    return [*overrides, *(f"{key}={value}" for key, value in further.items())]


def device_keys(device: str | None) -> dict[str, Any]:
    """Returns the configuration keys of a device; none for None."""
    if device is None:
        return {}
    target, number = parse_device(device)
    return {"device.target": target, "device.id": number}


def inference_keys(device: str | None) -> dict[str, Any]:
    """Returns the device keys; on a CPU, which cannot train in float16, train.precision is float32 too.

    It does not change predictions. eval.precision does, so that a CPU refuses the configuration's float16.
    """
    keys = device_keys(device)
    return keys | {"train.precision": "float32"} if keys.get("device.target") == "CPU" else keys


def parse_device(device: str) -> tuple[str, int]:
    """Returns CPU, GPU or Ascend and a number. Raises InputError for anything else."""
    name, _, number = device.partition(":")
    if name.lower() not in TARGETS or not (number.isdecimal() or ":" not in device):
        raise InputError(f"device: wanted CPU, GPU or Ascend, with a number such as GPU:1 if need be, got {device!r}")
    return TARGETS[name.lower()], int(number or 0)
