"""The checksum of a file."""

import hashlib
import os
from pathlib import Path
from typing import Literal

from mindrcnn import paths

_CHUNK = 1 << 20

Algorithm = Literal["sha256", "md5"]


def file_sha256(path: Path, size: int | None = None) -> bytes:
    """Returns the SHA-256 digest of the file, or of its first `size` bytes."""
    return file_digest(path, "sha256", size)


def file_digest(path: Path, algorithm: Algorithm, size: int | None = None) -> bytes:
    """Returns the digest of the file, or of its first `size` bytes."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with paths.open_file(path) as file:
        left = os.fstat(file.fileno()).st_size if size is None else size
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.digest()
