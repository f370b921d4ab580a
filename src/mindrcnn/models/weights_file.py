"""Reads a file of named weights, whichever library wrote it."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mindspore as ms
import numpy as np

from mindrcnn.errors import InputError
from mindrcnn.models.torch_file import LEGACY_START, read_legacy_state_dict, read_zip_state_dict

ZIP_START = b"PK\x03\x04"
# What zipfile and numpy raise on an archive that is cut short, altered or of an unknown make.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    ValueError,
)

Kind = Literal["torch", "mindspore", "npz"]


@dataclass(frozen=True)
class WeightsFile:
    """Named arrays and the library whose naming they follow."""

    path: Path
    kind: Kind
    arrays: dict[str, np.ndarray]


def read_weights(path: Path) -> WeightsFile:
    """Reads a torch state dict (.pth), a MindSpore checkpoint (.ckpt) or a numpy archive (.npz).

    The kind is told by the content, except that MindSpore checkpoints have no mark of their own and must end in .ckpt.
    Raises InputError for a file that is missing, damaged or of another kind; no code in the file is ever run.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(len(LEGACY_START))
    except OSError as error:
        raise InputError(f"{path}: cannot read the weights file: {error.strerror}") from error
    if start.startswith(ZIP_START):
        return _read_zip(path)
    if start == LEGACY_START:
        return WeightsFile(path, "torch", read_legacy_state_dict(path))
    if path.suffix == ".ckpt":
        return WeightsFile(path, "mindspore", _read_checkpoint(path))
    raise InputError(f"{path}: wanted a torch .pth, MindSpore .ckpt or numpy .npz file, got none of these")


def _read_zip(path: Path) -> WeightsFile:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: the weights file is damaged or incomplete ({error})") from error
    if any(name.endswith("/data.pkl") for name in names):
        return WeightsFile(path, "torch", read_zip_state_dict(path))
    if names and all(name.endswith(".npy") for name in names):
        return WeightsFile(path, "npz", _read_npz(path))
    raise InputError(f"{path}: wanted weights, got a zip archive of other files ({', '.join(names[:3])})")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except ARCHIVE_ERRORS as error:
        raise InputError(f"{path}: wanted an .npz file of plain arrays; it is damaged or other ({error})") from error


def _read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    try:
        parameters = ms.load_checkpoint(str(path))
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        raise InputError(f"{path}: wanted a MindSpore checkpoint; it is damaged or other ({error})") from error
    values = {name: value for name, value in parameters.items() if isinstance(value, ms.Tensor)}
    return {name: value.asnumpy() for name, value in values.items()}
