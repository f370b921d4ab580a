"""Reader of weight files of any supported library."""

import json
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import mindspore as ms
import numpy as np

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value, shorten
from mindrcnn.untrusted.archive import INFLATION, read_npz
from mindrcnn.untrusted.failures import READ_ERRORS
from mindrcnn.weights.torch_file import LEGACY_START, read_pickle, read_torch_legacy, read_torch_zip

ZIP_START = b"PK\x03\x04"

Kind = Literal["torch", "pickle", "mindspore", "npz", "safetensors"]

SAFETENSORS_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
WRAPPERS = ("state_dict", "model", "blobs")  # mmdetection; detectron2, maskrcnn-benchmark, torchvision; Detectron
COMPILED = "_orig_mod."  # in the names of a module that torch.compile wraps
PARALLEL = "module."  # before all names of a module that DataParallel wraps
PICKLE_START = b"\x80"


@dataclass(frozen=True)
class WeightsFile:
    """Named arrays and the kind of file; `meta` holds the other values of a pickle."""

    path: Path
    kind: Kind
    arrays: dict[str, np.ndarray]
    meta: dict[str, Any] = field(default_factory=dict)


def read_weights(path: Path) -> WeightsFile:
    """Reads a torch file (.pth), a pickle of arrays (.pkl), a MindSpore checkpoint, .npz or .safetensors.

    The kind is recognised by the content, except that MindSpore checkpoints, which have no signature, must end in .ckpt
    and safetensors in .safetensors. Weights may lie in a nested dict (`model`, `state_dict`).
    Prefixes that torch.compile and DataParallel add to names are removed. Raises InputError for a file that is missing,
    damaged or of another kind. No code in the file is ever run.
    """
    file = _read_any(path)
    return replace(file, arrays=_plain_names(path, file.arrays))


def _plain_names(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays under the names that they had before a module was compiled or wrapped."""
    wrapped = bool(arrays) and all(name.startswith(PARALLEL) for name in arrays)
    plain: dict[str, np.ndarray] = {}
    for name, value in arrays.items():
        own = name.replace(COMPILED, "").removeprefix(PARALLEL if wrapped else "")
        if own in plain:
            raise InputError(f"{path}: wanted every parameter once, got {own} both with and without {COMPILED!r}")
        plain[own] = value
    return plain


def _read_any(path: Path) -> WeightsFile:
    with paths.open_file(path, "weights file") as stream:
        start = stream.read(len(LEGACY_START))
    if start.startswith(ZIP_START):
        return _read_zip(path)
    if start == LEGACY_START:
        return _unwrap(path, "torch", read_torch_legacy(path))
    if path.suffix == ".safetensors":
        return WeightsFile(path, "safetensors", _read_safetensors(path))
    if path.suffix == ".ckpt":
        return WeightsFile(path, "mindspore", _read_checkpoint(path))
    if start.startswith(PICKLE_START) or path.suffix == ".pkl":
        return _unwrap(path, "pickle", read_pickle(path))
    raise InputError(
        f"{path}: wanted a torch .pth, .pkl, MindSpore .ckpt, .npz or .safetensors file, got something else"
    )


def _unwrap(path: Path, kind: Kind, tree: Any) -> WeightsFile:
    """Finds the dict of arrays, which may lie in another dict under one of the usual names."""
    if not isinstance(tree, dict):
        raise InputError(f"{path}: wanted a state dict, got {type(tree).__name__}")
    meta: dict[str, Any] = {}
    for wrapper in WRAPPERS:
        if isinstance(tree.get(wrapper), dict):
            meta = {str(key): value for key, value in tree.items() if key != wrapper}
            tree = tree[wrapper]
            break
    arrays = {name: value for name, value in tree.items() if name != "__author__"}
    for name, value in arrays.items():
        if not (isinstance(name, str) and isinstance(value, np.ndarray)):
            got = f"{type(value).__name__} as {quote_value(name)}"
            raise InputError(f"{path}: wanted a state dict of tensors, got {got}")
    _require_size(path, arrays.values())
    return WeightsFile(path, kind, {name: value.copy() for name, value in arrays.items()}, meta)


def _require_size(path: Path, arrays: Iterable[np.ndarray]) -> None:
    """Raises InputError if the arrays, of which each will be a copy, are many views of few values."""
    size, content = paths.size(path), sum(array.nbytes for array in arrays)
    if content > size + INFLATION:
        raise InputError(f"{path}: wanted weights of about the file's {size} bytes, got tensors of {content} bytes")


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Reads the length of the header (8 bytes), the JSON header (dtype, shape, place of each tensor) and the values."""
    try:
        content = paths.read_bytes(path)
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        body = memoryview(content)[8 + length :]
        if sum(len(range(*entry.get("data_offsets", (0, 0)))) for entry in header.values()) > len(body):
            raise ValueError("tensors that overlap")
        arrays = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            dtype = np.dtype(SAFETENSORS_DTYPES[entry["dtype"]])
            if not 0 <= begin <= end <= len(body):
                raise EOFError(f"{name} ends at byte {end} of {len(body)}")
            arrays[name] = np.frombuffer(body[begin:end], dtype).reshape(entry["shape"]).copy()
        return arrays
    except READ_ERRORS as error:
        raise InputError(f"{path}: wanted a .safetensors file, got a damaged or other file ({error})") from error


def _read_zip(path: Path) -> WeightsFile:
    try:
        with paths.open_file(path) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except READ_ERRORS as error:
        raise InputError(f"{path}: the weights file is damaged or incomplete ({error})") from error
    if any(name.endswith("/data.pkl") for name in names):
        return _unwrap(path, "torch", read_torch_zip(path))
    if names and all(name.endswith(".npy") for name in names):
        return WeightsFile(path, "npz", _read_npz(path))
    raise InputError(f"{path}: wanted weights, got a zip archive of other files ({shorten(names, 3)})")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with paths.open_file(path) as file:
        try:
            return read_npz(file)
        except READ_ERRORS as error:
            raise InputError(
                f"{path}: wanted an .npz file of plain arrays, got a damaged or other file ({error})"
            ) from error


def _read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    try:
        parameters = ms.load_checkpoint(str(path))
    except Exception as error:  # of any kind: MindSpore does not check what it parses
        raise InputError(f"{path}: wanted a MindSpore checkpoint, got a damaged or other file ({error})") from error
    values = {name: value for name, value in parameters.items() if isinstance(value, ms.Tensor)}
    return {name: value.asnumpy() for name, value in values.items()}
