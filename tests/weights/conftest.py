"""Writers of weights files, torch's among them, that need no torch."""

import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.weights.torch_file import LEGACY_MAGIC, LEGACY_PROTOCOL

Arrays = dict[str, np.ndarray]
STORAGES = {"float32": "FloatStorage", "int64": "LongStorage", "float16": "HalfStorage"}


def opcodes(value: object) -> bytes:
    """A plain value as pickle opcodes without the frame, to be put inside another pickle."""
    return pickle.dumps(value, protocol=2)[2:-1]


def torch_pickle(arrays: Arrays, *, legacy: bool) -> bytes:
    """The pickle that torch.save writes for an OrderedDict of contiguous tensors."""
    out = b"\x80\x02ccollections\nOrderedDict\n)R("
    for key, (name, array) in enumerate(arrays.items()):
        kind = STORAGES[str(array.dtype)].encode()
        view = b"N" if legacy else b""
        storage = b"(" + opcodes("storage") + b"ctorch\n" + kind + b"\n" + opcodes(str(key)) + opcodes("cpu")
        storage += opcodes(array.size) + view + b"tQ"
        stride = tuple(step // array.itemsize for step in array.strides)
        rest = opcodes(0) + opcodes(array.shape) + opcodes(stride) + b"\x89ccollections\nOrderedDict\n)R"
        out += opcodes(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR"
    return out + b"u."


def write_torch_zip(path: Path, arrays: Arrays) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", torch_pickle(arrays, legacy=False))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
        for key, array in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{key}", array.tobytes())
    return path


def write_torch_legacy(path: Path, arrays: Arrays) -> Path:
    system = {"protocol_version": LEGACY_PROTOCOL, "little_endian": True, "type_sizes": {"short": 2}}
    with path.open("wb") as stream:
        for value in (LEGACY_MAGIC, LEGACY_PROTOCOL, system):
            stream.write(pickle.dumps(value, protocol=2))
        stream.write(torch_pickle(arrays, legacy=True))
        stream.write(pickle.dumps([str(key) for key in range(len(arrays))], protocol=2))
        for array in arrays.values():
            stream.write(struct.pack("<q", array.size) + array.tobytes())
    return path


def write_checkpoint(path: Path, arrays: Arrays) -> Path:
    ms.save_checkpoint([{"name": name, "data": Tensor(array)} for name, array in arrays.items()], str(path))
    return path


def write_npz(path: Path, arrays: Arrays) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def writers() -> dict[str, Callable[[Path, Arrays], Path]]:
    """Functions (path, arrays) -> path by kind of file."""
    return {"zip": write_torch_zip, "legacy": write_torch_legacy, "npz": write_npz, "ckpt": write_checkpoint}


@pytest.fixture(scope="session")
def honest_pickle() -> Callable[[Arrays], bytes]:
    """The pickle inside a zip-format .pth file of these tensors."""
    return lambda arrays: torch_pickle(arrays, legacy=False)
