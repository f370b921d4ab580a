"""The interface of the runtimes of exported models, and parts that they share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from mindrcnn.errors import InputError
from mindrcnn.image_detector import Predict

INPUTS = ("images", "image_sizes")
THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class OpenedModel:
    """A model that a runtime has loaded.

    predict: runs it; thread-safe.
    metadata: the texts that its file carries.
    shape: the batch, height and width that it is fixed to; None if it takes any.
    runtime: the runtime's name, with the device.
    """

    predict: Predict
    metadata: Mapping[str, str]
    shape: tuple[int, int, int] | None
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


def fixed_shape(sizes: list[object]) -> tuple[int, int, int] | None:
    """Returns batch, height and width if the input's sizes (B, 3, H, W) are all numbers."""
    batch, _, height, width = sizes
    if isinstance(batch, int) and isinstance(height, int) and isinstance(width, int):
        return batch, height, width
    return None
