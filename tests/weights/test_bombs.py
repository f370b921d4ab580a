"""Small weight files that would take all memory or time: each is one InputError, and quickly."""

import io
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.errors import InputError
from mindrcnn.weights.read import read_weights
from mindrcnn.weights.restricted_pickle import _rebuild_tensor
from mindrcnn.weights.write import WRITERS

Change = Callable[[bytes], bytes]
MAX_SECONDS, MAX_MEGABYTES = 5, 500  # a bomb takes far more of one or the other; a busy machine may take seconds

STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"


def tensor(storage: bytes, size: bytes, stride: bytes) -> bytes:
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + size + stride + b"\x89}tR"


def whole(number: int) -> bytes:
    return pickle.dumps(number, 2)[2:-1]


def torch_zip(pickled: bytes, *, storage: bytes = bytes(16), method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + pickled + b".")
        archive.writestr("a/data/0", storage)
    return file.getvalue()


def named(*tensors: bytes) -> bytes:
    """A dict of tensors, named by number."""
    return b"}(" + b"".join(whole_text(str(n)) + one for n, one in enumerate(tensors)) + b"u"


def whole_text(text: str) -> bytes:
    return pickle.dumps(text, 2)[2:-1]


def shared_list() -> bytes:
    """A list of 10 references to a list of 10 references ... 30 levels deep."""
    levels = b"".join(b"(" + b"h\0" * 10 + b"lq\0" for _ in range(30))
    return b"\x80\x02K\x01q\0" + b"}X\x05\0\0\0model}X\x01\0\0\0a" + levels + b"ss."


def npz(array: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.npy", array)
    return file.getvalue()


def npy(header: bytes, values: bytes) -> bytes:
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + values


def understated(content: bytes) -> bytes:
    """The same archive, whose first member says that it has 8 bytes."""
    central = content.rindex(b"PK\x01\x02")
    return content[: central + 24] + struct.pack("<I", 8) + content[central + 28 :]


ONE = tensor(STORAGE, b"K\x04\x85", b"K\x01\x85")
LARGE = ONE.replace(b"K\x04tQ", whole(1 << 20) + b"tQ").replace(b"K\x04\x85", whole(1 << 20) + b"\x85")
HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s,)}\n"
BOMBS: dict[str, bytes | Callable[[], bytes]] = {  # the large ones are made when they are used
    "shared.pkl": shared_list(),
    "bytearray.pkl": b"\x80\x05\x96" + struct.pack("<Q", 1 << 36) + b".",
    "bytes.pkl": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 36) + b".",
    "frame.pkl": b"\x80\x04\x95" + struct.pack("<Q", 1 << 36) + b".",
    "array_of_a_number.pkl": b"\x80\x02cnumpy\nndarray\n)R(K\x01K\x01\x85cnumpy\ndtype\n"
    + whole_text("u1") + b"\x85R\x89J\0\0\0\x40tb.",
    "deep_key.pkl": b"\x80\x02})" + b"\x85" * 600_000 + b"K\x01s.",
    "colliding_keys.pkl": b"\x80\x02}(" + b"".join(whole(n * (2**61 - 1)) + b"N" for n in range(20_000)) + b"u.",
    "lists.pkl": b"\x80\x02" + b"]" * 600_000 + b".",
    "encoded.pkl": b"\x80\x02X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
    + b"q\0X\x06\0\0\0latin1q\x01" + b"c_codecs\nencode\nh\0h\x01\x86R" * 4000 + b".",
    "default_of_a_function.pkl": b"\x80\x02ctorch._utils\n_rebuild_tensor\nN}X\x0c\0\0\0__defaults__)s\x86b.",
    "zeros.pth": lambda: torch_zip(named(ONE), storage=bytes(600 << 20), method=zipfile.ZIP_DEFLATED),
    "lzma.pth": torch_zip(named(ONE), method=zipfile.ZIP_LZMA),
    "many_views.pth": lambda: torch_zip(named(*[LARGE] * 400), storage=bytes(4 << 20), method=zipfile.ZIP_DEFLATED),
    "stride_of_0.pth": torch_zip(named(tensor(STORAGE, whole(2**32) + b"\x85", b"K\0\x85"))),
    "zeros.npz": lambda: npz(npy(HEADER % str(150 << 20).encode(), bytes(600 << 20))),
    "claimed.npz": npz(npy(HEADER % str(1 << 40).encode(), bytes(64))),
    "understated.npz": lambda: understated(npz(npy(HEADER % str(75 << 20).encode(), bytes(300 << 20)))),
    "header.npz": npz(npy(b"(((((((((\n", b"")),
    "objects.npz": npz(npy(HEADER.replace(b"<f4", b"|O") % b"1", bytes(8))),
    "overlapping.safetensors": b"",
    "deep.safetensors": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "digits.safetensors": struct.pack("<Q", 5002) + b"[" + b"9" * 5000 + b"]",
}  # fmt: skip
ENTRIES = ", ".join(f'"t{n}": {{"dtype": "F32", "shape": [262144], "data_offsets": [0, 1048576]}}' for n in range(500))
BOMBS["overlapping.safetensors"] = struct.pack("<Q", len(ENTRIES) + 2) + f"{{{ENTRIES}}}".encode() + bytes(1 << 20)


def megabytes(entry: str) -> float:
    """This process's present (VmRSS) or largest (VmHWM) memory."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_message(name: str, tmp_path: Path) -> None:
    content = BOMBS[name]
    (tmp_path / name).write_bytes(content() if callable(content) else content)
    Path("/proc/self/clear_refs").write_text("5")  # sets the largest memory so far to the present one
    before = megabytes("VmRSS")
    start = time.process_time()
    with pytest.raises(InputError, match=name):
        read_weights(tmp_path / name)
    assert time.process_time() - start < MAX_SECONDS
    assert megabytes("VmHWM") - before < MAX_MEGABYTES
    assert _rebuild_tensor.__defaults__ is None


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_shares_a_little_is_read(suffix: str, tmp_path: Path) -> None:
    state = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(0, np.float32)}
    WRITERS[suffix](tmp_path / f"w{suffix}", state)
    arrays = read_weights(tmp_path / f"w{suffix}").arrays
    assert {name: value.tolist() for name, value in arrays.items()} == {"a": [[0, 1, 2], [3, 4, 5]], "b": []}
    assert all(value.flags.writeable for value in arrays.values())


def test_tied_weights_are_read(tmp_path: Path) -> None:
    (tmp_path / "tied.pth").write_bytes(torch_zip(named(ONE, ONE), storage=np.arange(4, dtype="<f4").tobytes()))
    arrays = read_weights(tmp_path / "tied.pth").arrays
    assert [value.tolist() for value in arrays.values()] == [[0, 1, 2, 3]] * 2


def test_a_place_in_the_memo_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "memo.pkl").write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")
    assert read_weights(tmp_path / "memo.pkl").arrays == {}
