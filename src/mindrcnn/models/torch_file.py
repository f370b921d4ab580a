"""Reads state dicts saved by `torch.save` without torch, and without running code from the file.

A .pth file is a pickle that names the tensors and, beside it, their raw values: in a zip archive since torch 1.6, one
after another behind the pickle before ("legacy"; some of torchvision's files still are). Unpickling is restricted to
the few names that a state dict of tensors needs, each replaced by our own function on numpy arrays.
"""

import io
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mindrcnn.errors import InputError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch/serialization.py, MAGIC_NUMBER
LEGACY_START = pickle.dumps(LEGACY_MAGIC, protocol=2)
LEGACY_PROTOCOL = 1001  # torch/serialization.py, PROTOCOL_VERSION

STORAGE_DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}

# What a broken or hostile file makes zipfile, pickle and the rebuild functions raise.
READ_ERRORS = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)

Load = Callable[[str, np.dtype, int], np.ndarray]


def read_zip_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Tensors by name of a zip-format .pth file; InputError when it is damaged or holds anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            root = pickles[0].removesuffix("data.pkl")
            if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
                raise InputError(f"{path}: wanted weights in little-endian byte order, got big-endian")
            stream = io.BytesIO(archive.read(pickles[0]))

            def load(key: str, dtype: np.dtype, count: int) -> np.ndarray:
                return np.frombuffer(archive.read(f"{root}data/{key}"), dtype, count)

            return _named_arrays(path, _StateDictUnpickler(stream, load=load).load())
    except READ_ERRORS as error:
        raise _unreadable(path, error) from error


def read_legacy_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Tensors by name of a .pth file from before torch's zip format; InputError as above."""
    size = path.stat().st_size
    storages: dict[str, np.ndarray] = {}

    def load(key: str, dtype: np.dtype, count: int) -> np.ndarray:
        if count * dtype.itemsize > size:
            raise EOFError(f"storage {key} is larger than the file")
        return storages.setdefault(key, np.zeros(count, dtype))  # the values come behind the pickle

    try:
        with path.open("rb") as stream:
            magic, protocol, system = (_StateDictUnpickler(stream, load=load).load() for _ in range(3))
            if (magic, protocol, system["little_endian"]) != (LEGACY_MAGIC, LEGACY_PROTOCOL, True):
                raise ValueError(f"unknown header {magic}, {protocol}, {system}")
            state = _StateDictUnpickler(stream, load=load).load()
            for key in _StateDictUnpickler(stream, load=load).load():
                _fill(stream, storages[key])
        return _named_arrays(path, state)
    except READ_ERRORS as error:
        raise _unreadable(path, error) from error


def _fill(stream: BinaryIO, storage: np.ndarray) -> None:
    (count,) = struct.unpack("<q", stream.read(8))
    data = stream.read(storage.nbytes)
    if count != storage.size or len(data) != storage.nbytes:
        raise EOFError(f"wanted {storage.size} values, got {min(count, len(data) // storage.itemsize)}")
    storage[:] = np.frombuffer(data, storage.dtype)


def _unreadable(path: Path, error: BaseException) -> InputError:
    return InputError(f"{path}: wanted a torch state dict of plain tensors; the file is damaged or other ({error})")


def _named_arrays(path: Path, state: Any) -> dict[str, np.ndarray]:
    if not isinstance(state, dict):
        raise InputError(f"{path}: wanted a state dict, got {type(state).__name__}")
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, np.ndarray)):
            raise InputError(f"{path}: wanted a state dict of tensors, got {type(value).__name__} as {name!r}")
    return {name: value.copy() for name, value in state.items()}


class _StateDictUnpickler(pickle.Unpickler):
    """Admits tensors, parameters and ordered dicts of them; every other name is an error."""

    def __init__(self, stream: BinaryIO, *, load: Load) -> None:
        super().__init__(stream, encoding="utf-8")
        self._load = load

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a state dict and was not loaded")

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _location, count, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(part is not None for part in view):
            raise pickle.UnpicklingError(f"unknown storage {pid!r}")
        return self._load(str(key), dtype, int(count))


def _rebuild_tensor(
    storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_unused: Any
) -> np.ndarray:
    """A view of `storage`, checked to lie inside it."""
    if not isinstance(storage, np.ndarray) or len(size) != len(stride) or min((offset, *size, *stride)) < 0:
        raise ValueError(f"impossible tensor of size {size}, stride {stride}, offset {offset}")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.size:
        raise ValueError(f"tensor of size {size} reaches beyond its {storage.size} stored values")
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)


def _rebuild_parameter(data: np.ndarray, *_unused: Any) -> np.ndarray:
    return data


_ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
