"""A restricted unpickler for tensors, numpy arrays and plain containers; no code named by a file is ever run.

Every name that a pickle may use is replaced by a function of this module, and any other name is an error. A file can
therefore build nothing but dicts, lists, numbers, strings and arrays.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

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
PLAIN_DTYPES = {"f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "b1"}
_NUMPY_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # numpy 1 and 2

Load = Callable[[str, np.dtype, int], np.ndarray]


class RestrictedUnpickler(pickle.Unpickler):
    """A reader of one pickle; `extract_arrays` turns the result of `load` into dicts, lists and arrays.

    load: returns the values of a torch storage, given its key, dtype and number of values.
    encoding: of Python 2 strings; latin-1 if they may be raw bytes of arrays.
    """

    def __init__(self, stream: BinaryIO, *, load: Load | None = None, encoding: str = "utf-8") -> None:
        super().__init__(stream, encoding=encoding)
        self._load = load

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a state dict and was not loaded")

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _location, count, *view = pid
        usable = kind == "storage" and isinstance(dtype, np.dtype) and all(part is None for part in view)
        if self._load is None or not usable:
            raise pickle.UnpicklingError(f"unknown storage {pid!r}")
        return self._load(str(key), dtype, int(count))


class _Dtype:
    """A stand-in for numpy.dtype while a pickle is read; only plain numbers are admitted."""

    def __init__(self, name: str, *_unused: Any) -> None:
        if str(name) not in PLAIN_DTYPES:
            raise pickle.UnpicklingError(f"numpy dtype {name!r} is not plain numbers and was not loaded")
        self.dtype = np.dtype(str(name))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, byte_order, *_ = state
        if str(byte_order) == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """A stand-in for numpy.ndarray while a pickle is read."""

    def __init__(self, *_unused: Any) -> None:
        self.value = np.empty(0, np.float32)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, fortran, data = state
        raw = data.encode("latin-1") if isinstance(data, str) else bytes(data)  # strings come from Python 2
        size = int(np.prod(shape, dtype=np.int64)) * kind.dtype.itemsize
        if size != len(raw):
            raise ValueError(f"array of shape {shape} wanted {size} bytes, got {len(raw)}")
        self.value = np.frombuffer(raw, kind.dtype).reshape(shape, order="F" if fortran else "C")


class _Ignored:
    """A stand-in for an object that is not needed; it accepts any arguments and state, and keeps none."""

    def __init__(self, *_arguments: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...


def _scalar(kind: _Dtype, data: Any) -> Any:
    raw = data.encode("latin-1") if isinstance(data, str) else bytes(data)
    return np.frombuffer(raw, kind.dtype, 1)[0]


def _encode(text: str, encoding: str) -> bytes:
    """Decodes what Python 3 writes for bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"unknown encoding of bytes {encoding!r}")
    return text.encode("latin-1")


def _rebuild_tensor(
    storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_unused: Any
) -> np.ndarray:
    """Returns a view of `storage`, checked to lie inside it."""
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
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("argparse", "Namespace"): _Ignored,  # in the checkpoints of torchvision's training script
    **{(module, "_reconstruct"): _Array for module in _NUMPY_MULTIARRAY},
    **{(module, "scalar"): _scalar for module in _NUMPY_MULTIARRAY},
}


def extract_arrays(value: Any) -> Any:
    """Replaces every stand-in by its array, in dicts, lists and tuples at any depth."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {key: extract_arrays(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [extract_arrays(item) for item in value]
    return value
