"""Files in the layouts that libraries publish, written without them, and a server on this machine that has them."""

import pickle
import struct
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn.weights.torch_file import LEGACY_MAGIC, LEGACY_PROTOCOL

STORAGES = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}


def write_torch(path: Path, tree: Any, *, legacy: bool = False) -> Path:
    """Writes what torch.save writes for dicts, lists and plain values with arrays in the place of tensors."""
    storages: list[np.ndarray] = []
    pickled = b"\x80\x02" + _opcodes(tree, storages, legacy) + b"."
    if not legacy:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickled)
            archive.writestr("archive/byteorder", "little")
            for key, array in enumerate(storages):
                archive.writestr(f"archive/data/{key}", np.ascontiguousarray(array).tobytes())
        return path
    system = {"protocol_version": LEGACY_PROTOCOL, "little_endian": True, "type_sizes": {"short": 2}}
    with path.open("wb") as stream:
        for value in (LEGACY_MAGIC, LEGACY_PROTOCOL, system):
            stream.write(pickle.dumps(value, protocol=2))
        stream.write(pickled + pickle.dumps([str(key) for key in range(len(storages))], protocol=2))
        for array in storages:
            stream.write(struct.pack("<q", array.size) + np.ascontiguousarray(array).tobytes())
    return path


def _opcodes(value: Any, storages: list[np.ndarray], legacy: bool) -> bytes:
    """A value as pickle opcodes without header and end; arrays are appended to `storages`."""
    if isinstance(value, dict):
        start = b"ccollections\nOrderedDict\n)R(" if isinstance(value, OrderedDict) else b"}("
        items = (_opcodes(part, storages, legacy) for item in value.items() for part in item)
        return start + b"".join(items) + b"u"
    if isinstance(value, list | tuple):
        return b"](" + b"".join(_opcodes(item, storages, legacy) for item in value) + b"e"
    if not isinstance(value, np.ndarray):
        return pickle.dumps(value, protocol=2)[2:-1]
    storages.append(value)
    kind = STORAGES[str(value.dtype)].encode()
    storage = b"(" + _plain("storage") + b"ctorch\n" + kind + b"\n" + _plain(str(len(storages) - 1)) + _plain("cpu")
    storage += _plain(value.size) + (b"N" if legacy else b"") + b"tQ"
    strides = tuple(step // value.itemsize for step in np.empty(value.shape, value.dtype).strides)
    rest = _plain(0) + _plain(value.shape) + _plain(strides) + b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest + b"tR"


def _plain(value: object) -> bytes:
    return pickle.dumps(value, protocol=2)[2:-1]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Keeps the test output clean."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serves a folder; yields the server's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_table(path: Path, rows: Mapping[str, Mapping[str, object]]) -> Path:
    """Writes a table for MINDRCNN_MODELS."""
    lines = ["models:"]
    for name, fields in rows.items():
        lines += [f"  {name}:", "    read: a test", *(f"    {key}: {value}" for key, value in fields.items())]
    path.write_text("\n".join(lines) + "\n")
    return path
