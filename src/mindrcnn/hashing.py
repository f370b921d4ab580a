"""The checksum of a file."""

import hashlib
import os
from pathlib import Path

from mindrcnn import paths

_CHUNK = 1 << 20


def file_sha256(path: Path, size: int | None = None) -> bytes:
    """Returns the SHA-256 digest of the file, or of its first `size` bytes."""
    digest = hashlib.sha256()
    with paths.open_file(path) as file:
        left = os.fstat(file.fileno()).st_size if size is None else size
        while left > 0 and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.digest()
