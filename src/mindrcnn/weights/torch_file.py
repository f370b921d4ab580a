"""Reader of `torch.save` files and of pickles of numpy arrays, without torch and without running code from the file.

A .pth file holds a pickle that names the tensors, and their raw values. Since torch 1.6 both lie in a zip archive;
before ("legacy", still used by some of torchvision's files) the values follow the pickle. detectron2's .pkl files are
plain pickles of numpy arrays. Unpickling is restricted, see restricted_pickle.py.
"""

import functools
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value
from mindrcnn.untrusted.archive import check_archive, read_member
from mindrcnn.untrusted.failures import READ_ERRORS
from mindrcnn.weights.restricted_pickle import RestrictedUnpickler, extract_arrays

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch/serialization.py, MAGIC_NUMBER
LEGACY_START = pickle.dumps(LEGACY_MAGIC, protocol=2)
LEGACY_PROTOCOL = 1001  # torch/serialization.py, PROTOCOL_VERSION


def read_torch_zip(path: Path) -> Any:
    """Reads a zip-format .pth file, tensors as arrays. Raises InputError if it is damaged or disallowed."""
    try:
        with paths.open_file(path) as file, zipfile.ZipFile(file) as archive:
            check_archive(archive, paths.size(path))
            pickled, *_ = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            root = pickled.removesuffix("data.pkl")
            if f"{root}byteorder" in archive.namelist() and read_member(archive, f"{root}byteorder") != b"little":
                raise InputError(f"{path}: wanted weights in little-endian byte order, got big-endian")
            content = read_member(archive, pickled)

            @functools.cache
            def load(key: str, dtype: np.dtype, count: int) -> np.ndarray:
                return np.frombuffer(read(f"{root}data/{key}"), dtype, count)

            read = functools.cache(functools.partial(read_member, archive))
            return extract_arrays(RestrictedUnpickler(io.BytesIO(content), size=len(content), load=load).load())
    except READ_ERRORS as error:
        raise _read_error(path, error) from error


def read_torch_legacy(path: Path) -> Any:
    """Reads a .pth file from before torch's zip format. Raises InputError if it is damaged or disallowed."""
    size = paths.size(path)
    storages: dict[str, np.ndarray] = {}

    def load(key: str, dtype: np.dtype, count: int) -> np.ndarray:
        if key not in storages:
            held = sum(storage.nbytes for storage in storages.values())
            if not 0 <= count * dtype.itemsize <= size - held:
                raise EOFError(f"storage {key} is larger than the file")
            storages[key] = np.zeros(count, dtype)  # the values follow the pickle
        return storages[key]

    try:
        with paths.open_file(path) as stream:
            magic, protocol, system = (RestrictedUnpickler(stream, size=size, load=load).load() for _ in range(3))
            if (magic, protocol, system["little_endian"]) != (LEGACY_MAGIC, LEGACY_PROTOCOL, True):
                raise ValueError(f"unknown header {quote_value((magic, protocol, system))}")
            state = RestrictedUnpickler(stream, size=size, load=load).load()
            for key in RestrictedUnpickler(stream, size=size, load=load).load():
                _fill(stream, storages[key])
        return extract_arrays(state)
    except READ_ERRORS as error:
        raise _read_error(path, error) from error


def read_pickle(path: Path) -> Any:
    """Reads a pickle of numpy arrays. Raises InputError if it is damaged or disallowed."""
    try:
        with paths.open_file(path) as stream:
            return extract_arrays(RestrictedUnpickler(stream, size=paths.size(path), encoding="latin-1").load())
    except READ_ERRORS as error:
        raise _read_error(path, error) from error


def _fill(stream: BinaryIO, storage: np.ndarray) -> None:
    (count,) = struct.unpack("<q", stream.read(8))
    data = stream.read(storage.nbytes)
    if count != storage.size or len(data) != storage.nbytes:
        raise EOFError(f"wanted {storage.size} values, got {min(count, len(data) // storage.itemsize)}")
    storage[:] = np.frombuffer(data, storage.dtype)


def _read_error(path: Path, error: BaseException) -> InputError:
    reason = str(error) or type(error).__name__
    return InputError(f"{path}: wanted weights as plain tensors or arrays, got a damaged or other file ({reason})")
