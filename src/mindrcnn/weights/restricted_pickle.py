"""A restricted unpickler for tensors, numpy arrays and plain containers; no code named by a file is ever run.

Every name that a pickle may use is replaced by a function of this module, and any other name is an error. A file can
therefore build nothing but dicts, lists, numbers, strings and arrays.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import numpy as np

from mindrcnn.messages import quote_value
from mindrcnn.untrusted.numbers import is_whole
from mindrcnn.weights.limited_unpickler import LimitedUnpickler, plain_key

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


class RestrictedUnpickler(LimitedUnpickler):
    """A reader of one pickle; `extract_arrays` turns the result of `load` into dicts, lists and arrays.

    stream: the open file.
    size: bytes of the file.
    load: returns the values of a torch storage, given its key, dtype and number of values.
    encoding: of Python 2 strings; latin-1 if they may be raw bytes of arrays.
    """

    def __init__(self, stream: BinaryIO, *, size: int, load: Load | None = None, encoding: str = "utf-8") -> None:
        copied: dict[tuple[str, str], Callable[..., Any]] = {("_codecs", "encode"): self._encode}
        copied |= {(module, "scalar"): self._scalar for module in _NUMPY_MULTIARRAY}
        super().__init__(stream, size=size, encoding=encoding, callables=_ADMITTED | copied)
        self._load_storage = load

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGE_DTYPES:
            return STORAGE_DTYPES[name]
        return super().find_class(module, name)

    def set_state(self, built: Any, state: Any) -> None:
        if isinstance(built, _Array):
            *described, data = state
            state = (*described, self._raw(data))
        super().set_state(built, state)

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _location, count, *view = pid
        usable = kind == "storage" and isinstance(dtype, np.dtype) and all(part is None for part in view)
        if self._load_storage is None or not usable or not isinstance(key, str | int) or not isinstance(count, int):
            raise pickle.UnpicklingError(f"unknown storage {quote_value(pid)}")
        return self._load_storage(str(key), dtype, count)

    def _raw(self, data: Any) -> bytes:
        """Returns the bytes of an array, which Python 2 writes as a string."""
        if isinstance(data, bytes):
            return data
        if not isinstance(data, str):
            raise pickle.UnpicklingError(f"a {type(data).__name__} as bytes of an array")
        return self._encode(data, "latin1")

    def _encode(self, text: str, encoding: str) -> bytes:
        """Decodes what Python 3 writes for bytes in protocol 2."""
        if encoding != "latin1" or not isinstance(text, str):
            raise pickle.UnpicklingError(f"unknown encoding of bytes {quote_value(encoding)}")
        self.charge(len(text))
        return text.encode("latin-1")

    def _scalar(self, kind: _Dtype, data: Any) -> Any:
        return np.frombuffer(self._raw(data), kind.dtype, 1)[0]


class _Dtype:
    """A stand-in for numpy.dtype while a pickle is read; only plain numbers are admitted."""

    def __init__(self, name: str, *_unused: Any) -> None:
        if not isinstance(name, str) or name not in PLAIN_DTYPES:
            raise pickle.UnpicklingError(f"numpy dtype {quote_value(name)} is not plain numbers and was not loaded")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, byte_order, *_ = state
        if byte_order == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """A stand-in for numpy.ndarray while a pickle is read."""

    def __init__(self, *_unused: Any) -> None:
        self.value = np.empty(0, np.float32)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, fortran, data = state
        size = math.prod(shape) * kind.dtype.itemsize
        if size != len(data) or min(shape, default=0) < 0:
            raise ValueError(f"array of shape {quote_value(shape)} wanted {quote_value(size)} bytes, got {len(data)}")
        self.value = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")


class _Ignored:
    """A stand-in for an object that is not needed; it accepts any arguments and state, and keeps none."""

    def __init__(self, *_arguments: Any) -> None: ...

    def __setstate__(self, _state: Any) -> None: ...


def _ordered_dict(items: Iterable[Any] = ()) -> dict[Any, Any]:
    return {plain_key(key): value for key, value in items}


def _rebuild_tensor(
    storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_unused: Any
) -> np.ndarray:
    """Returns a view of `storage`, checked to lie inside it."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, np.ndarray) or len(size) != len(stride) or not all(is_whole(n, 0) for n in numbers):
        raise ValueError(f"impossible tensor of offset, size and stride {quote_value(numbers)}")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.size:
        raise ValueError(f"tensor of size {quote_value(size)} reaches beyond its {storage.size} stored values")
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False)


def _rebuild_parameter(data: np.ndarray, *_unused: Any) -> np.ndarray:
    return data


_ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("argparse", "Namespace"): _Ignored,  # in the checkpoints of torchvision's training script
    **{(module, "_reconstruct"): _Array for module in _NUMPY_MULTIARRAY},
}


def extract_arrays(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """Replaces every stand-in by its array, in dicts, lists and tuples at any depth.

    What a pickle uses in several places stays one object, because following it to each takes time without end; `seen`
    has the results by the identities of those objects.
    """
    seen = {} if seen is None else seen
    if isinstance(value, _Array):
        return value.value
    if not isinstance(value, dict | list | tuple):
        return value
    if id(value) in seen:
        return seen[id(value)]
    result: Any = {} if isinstance(value, dict) else []
    seen[id(value)] = result
    if isinstance(value, dict):
        result.update({key: extract_arrays(item, seen) for key, item in value.items()})
    else:
        result.extend(extract_arrays(item, seen) for item in value)
    return result
