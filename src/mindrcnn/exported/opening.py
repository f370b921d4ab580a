"""A detector from an exported file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn import paths
from mindrcnn.config.loader import parse_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.errors import InputError
from mindrcnn.exported.card import read_card
from mindrcnn.exported.checked import CheckedModel
from mindrcnn.exported.lite import open_with_lite
from mindrcnn.exported.onnx_runtime import open_with_onnxruntime
from mindrcnn.exported.openvino import open_with_openvino
from mindrcnn.exported.runtime import Open, OpenedModel, fixed_shape
from mindrcnn.image_detector import Detector, Predict


def open_mindir(file: Path, target: str, number: int) -> OpenedModel:
    """Loads a MINDIR file, and MindSpore with it."""
    from mindrcnn.exported.mindir import open_with_mindspore

    return open_with_mindspore(file, target, number)


# The runtimes of each format by name; the first is the default.
RUNTIMES: dict[str, dict[str, Open]] = {
    ".onnx": {"onnxruntime": open_with_onnxruntime, "openvino": open_with_openvino},
    ".mindir": {"mindspore": open_mindir, "lite": open_with_lite},
}
BACKENDS = tuple(name for runtimes in RUNTIMES.values() for name in runtimes)


def is_exported(file: Path) -> bool:
    """Returns whether the name is that of an exported file rather than of a checkpoint."""
    return file.suffix in RUNTIMES


def open_exported(
    file: Path, overrides: Overrides = (), *, backend: str | None = None, device: tuple[str, int] = ("CPU", 0)
) -> Detector:
    """Returns the detector of an exported file.

    file: its name, ending in .onnx or .mindir.
    overrides: configuration keys to change. Of `model`, which is fixed in the file, only box.score_thresh can change,
        to a higher score.
    backend: one of BACKENDS; None takes the first that reads the file's format.
    device: CPU, GPU or Ascend, and its number.
    Raises InputError for a file that cannot be read, an unknown back end, and overrides that the file cannot follow.
    """
    runtimes = RUNTIMES[file.suffix]
    backend = backend or next(iter(runtimes))
    if backend not in runtimes:
        raise InputError(f"--backend: wanted one of {', '.join(runtimes)} for {file}, got {backend}")
    if not paths.is_file(file):
        raise InputError(f"model: wanted an existing {file.suffix} file, got {file}")
    return make_detector(runtimes[backend](file, *device), overrides, file)


def make_detector(opened: OpenedModel, overrides: Overrides, file: Path) -> Detector:
    """Returns the detector of a loaded model. Raises InputError for overrides that its file cannot follow."""
    card = read_card(opened.metadata, file)
    shape = fixed_shape(opened.inputs, file)
    stored = parse_config(card.config, f"{file} (its configuration)")
    config = parse_config(card.config, f"{file} (its configuration)", overrides)
    require_followable(stored, config, file, shape)
    predict: Predict = CheckedModel(opened.predict, file, len(card.classes), config.model.mask is not None)
    if shape is not None:
        predict = FixedBatch(predict, shape[0])
    if config.model.box.score_thresh > stored.model.box.score_thresh:
        predict = ScoreLimit(predict, config.model.box.score_thresh)
    return Detector(
        predict=predict,
        config=replace(config, data=replace(config.data, classes=card.classes)),
        classes=card.classes,
        category_ids=card.category_ids,
        runtime=opened.runtime,
        batch=None if shape is None else shape[0],
        compiles=False,
    )


def require_followable(stored: Config, config: Config, file: Path, shape: tuple[int, int, int] | None) -> None:
    """Raises InputError if overrides change what is fixed in the file.

    stored: the file's own configuration.
    config: the same with overrides.
    file: for the message.
    shape: batch, height and width of a file with fixed shapes.
    """
    if config.eval.precision != stored.eval.precision:
        wanted_precision = f"wanted {stored.eval.precision}, in which {file} computes"
        raise InputError(f"eval.precision: {wanted_precision}, got {config.eval.precision}")
    try:
        config.eval.require_plain(f"with {file}, because suppression is part of an exported model")
    except ValueError as error:
        raise InputError(str(error)) from None
    least, wanted = stored.model.box.score_thresh, config.model.box.score_thresh
    if wanted < least:
        raise InputError(f"model.box.score_thresh: wanted at least {least:g}, which is fixed in {file}, got {wanted:g}")
    same_score = replace(config.model, box=replace(config.model.box, score_thresh=least))
    if same_score != stored.model:
        raise InputError(f"model: wanted the keys as they are in {file}, because it is exported; got others")
    if shape is not None and config.data.input_sizes != (shape[1:],):
        got = [list(bucket) for bucket in config.data.buckets]
        raise InputError(f"data.buckets: wanted [{list(shape[1:])}], which {file} is fixed to, got {got}")


@dataclass(frozen=True)
class FixedBatch:
    """Calls a model of a fixed batch with batches of any number of images."""

    predict: Predict
    batch: int

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        """Takes the arguments and returns the result of the model, with as many rows as there are images."""
        count = len(images)
        images, image_sizes = fill_batch(images, image_sizes, self.batch)
        parts = [
            self.predict(images[start : start + self.batch], image_sizes[start : start + self.batch])
            for start in range(0, len(images), self.batch)
        ]
        return tuple(np.concatenate(values)[:count] for values in zip(*parts, strict=True))


def fill_batch(
    images: NDArray[np.uint8], image_sizes: NDArray[np.int32], batch: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Adds images of zeros, of size 0, until their number is a multiple of a batch."""
    missing = -len(images) % batch
    more_images = np.zeros((missing, *images.shape[1:]), images.dtype)
    more_sizes = np.zeros((missing, 2), image_sizes.dtype)
    return np.concatenate((images, more_images)), np.concatenate((image_sizes, more_sizes))


@dataclass(frozen=True)
class ScoreLimit:
    """Drops the detections of a model at or below a score."""

    predict: Predict
    score_thresh: float

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        """Takes the arguments and returns the result of the model, with fewer slots valid."""
        boxes, scores, labels, valid, *masks = self.predict(images, image_sizes)
        return boxes, scores, labels, valid & (scores > self.score_thresh), *masks
