"""The interface of the runtimes of exported models, and parts that they share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from mindrcnn.errors import InputError
from mindrcnn.image_detector import Predict
from mindrcnn.messages import shorten

INPUTS = ("images", "image_sizes")
THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class OpenedModel:
    """A model that a runtime has loaded.

    predict: runs it; thread-safe.
    metadata: the texts that its file carries.
    inputs: the sizes of its inputs by name; one that may vary is not a number.
    runtime: the runtime's name, with the device.
    """

    predict: Predict
    metadata: Mapping[str, str]
    inputs: Mapping[str, Sequence[object]]
    runtime: str


Open = Callable[[Path, str, int], OpenedModel]  # file, device (CPU, GPU, Ascend), its number


def import_package(name: str, extra: str, *, purpose: str = "an exported model") -> ModuleType:
    """Imports an optional package. Raises InputError that says what for, and how to install it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"{purpose}: wanted the package {name}, got none: run pip install 'mindrcnn[{extra}]'"
        ) from error


def thread_count() -> int:
    """Returns the number of threads to use on a CPU, as the kernels do; 0 leaves it to the runtime."""
    text = os.environ.get(THREADS, "")
    return int(text) if text.isdecimal() else 0


def fixed_shape(inputs: Mapping[str, Sequence[object]], file: Path) -> tuple[int, int, int] | None:
    """Returns batch, height and width if the sizes of `images` are all numbers. Raises InputError for other inputs."""
    if set(inputs) != set(INPUTS):
        got = shorten(sorted(inputs)) or "none"
        raise InputError(f"{file}: wanted a model with the inputs {' and '.join(INPUTS)}, got {got}")
    sizes = inputs[INPUTS[0]]
    if len(sizes) != 4 or any(isinstance(size, int) and size < 1 for size in sizes):
        raise InputError(f"{file}: wanted images (batch, 3, height, width), got an input {list(sizes)}")
    batch, _, height, width = sizes
    if isinstance(batch, int) and isinstance(height, int) and isinstance(width, int):
        return batch, height, width
    return None
