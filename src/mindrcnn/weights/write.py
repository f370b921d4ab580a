"""Writer of state dicts as .pth, .pkl, .npz or .safetensors, whole or not at all, without torch."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindrcnn.atomic import replacing
from mindrcnn.errors import InputError

State = Mapping[str, NDArray]
_TORCH_DICT = b"ccollections\nOrderedDict\n)R"


def write_state(path: Path, state: State) -> None:
    """Writes float32 arrays by name in the format that the suffix tells.

    Raises InputError for another suffix or when the file cannot be written.
    """
    if path.suffix not in WRITERS:
        raise InputError(f"{path}: wanted a name ending in {', '.join(WRITERS)}, got {path.suffix or 'no suffix'}")
    with replacing(path) as temporary:
        WRITERS[path.suffix](temporary, state)


def _write_torch(path: Path, state: State) -> None:
    """Writes torch.save's zip archive: a pickle that names the tensors, and one file of values for each."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", _torch_pickle(state))
        archive.writestr("archive/byteorder", "little")
        for key, value in enumerate(state.values()):
            archive.writestr(f"archive/data/{key}", value.astype("<f4").tobytes())
        archive.writestr("archive/version", "3\n")


def _torch_pickle(state: State) -> bytes:
    """Builds the pickle by hand: the pickle module would have to import the names of torch that it writes."""
    parts = [b"\x80\x02", _TORCH_DICT, b"("]
    for key, (name, value) in enumerate(state.items()):
        strides = tuple(step // value.itemsize for step in np.ascontiguousarray(value).strides)
        storage = b"(" + _opcodes("storage") + b"ctorch\nFloatStorage\n" + _opcodes(str(key)) + _opcodes("cpu")
        parts += [
            _opcodes(name),
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            storage[1:] + _opcodes(value.size) + b"tQ",
            _opcodes(0) + _opcodes(value.shape) + _opcodes(strides),
            b"\x89" + _TORCH_DICT + b"tR",
        ]
    return b"".join([*parts, b"u."])


def _opcodes(value: object) -> bytes:
    """Returns a plain value as pickle opcodes, without header and end."""
    return pickle.dumps(value, protocol=2)[2:-1]


def _write_pickle(path: Path, state: State) -> None:
    """Writes the form of detectron2's model zoo."""
    with path.open("wb") as stream:
        pickle.dump({"model": dict(state), "__author__": "MindRCNN"}, stream, protocol=4)


def _write_npz(path: Path, state: State) -> None:
    with path.open("wb") as stream:
        np.savez(stream, **dict(state))


def _write_safetensors(path: Path, state: State) -> None:
    header, end = {}, 0
    for name, value in state.items():
        begin, end = end, end + value.nbytes
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        for value in state.values():
            stream.write(value.astype("<f4").tobytes())


WRITERS: dict[str, Callable[[Path, State], None]] = {
    ".pth": _write_torch,
    ".pkl": _write_pickle,
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
}
