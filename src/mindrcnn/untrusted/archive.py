"""Zip archives and .npz files that hold no more than their size lets expect."""

from __future__ import annotations

import io
import math
import os
import zipfile
from typing import BinaryIO

import numpy as np

# Weights and indices shrink by a tenth or, where zeros fill them, to a half; a thousandth is the work of a bomb. What
# a file may hold beyond its own size is what a process has to spare for it.
INFLATION = 256 << 20  # bytes

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others cannot be decompressed up to a limit
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def check_archive(archive: zipfile.ZipFile, size: int) -> None:
    """Raises ValueError if the archive, a file of `size` bytes, holds much more than that."""
    content = sum(member.file_size for member in archive.infolist())
    if content > size + INFLATION:
        raise ValueError(f"{content} bytes of content in an archive of {size}")
    if any(member.compress_type not in _METHODS for member in archive.infolist()):
        raise ValueError("a compression other than deflate")


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Returns a member, whose size `check_archive` has checked. Raises an exception of READ_ERRORS if it is damaged."""
    size = archive.getinfo(name).file_size
    with archive.open(name) as stream:
        content = stream.read(size)  # without a size it would decompress what the member has, not what it states
    if len(content) != size:
        raise EOFError(f"{name}: wanted {size} bytes, got {len(content)}")
    return content


def read_npz(file: BinaryIO) -> dict[str, np.ndarray]:
    """Returns the arrays of numbers and texts in an .npz file. Raises an exception of READ_ERRORS for anything else."""
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        check_archive(archive, size)
        return {name.removesuffix(".npy"): _array(name, read_member(archive, name)) for name in archive.namelist()}


def _array(name: str, content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"{name}: an array file of version {version}")
    shape, fortran, dtype = _HEADERS[version](stream)
    count, start = math.prod(shape), stream.tell()
    if dtype.kind not in "biufUS" or dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"{name}: an array of {dtype}")
    if count * dtype.itemsize != len(content) - start:
        raise ValueError(f"{name}: wanted {count} values, got {len(content) - start} bytes")
    if not count:
        return np.zeros(shape, dtype)
    return np.frombuffer(content, dtype, offset=start).reshape(shape, order="F" if fortran else "C").copy()
