"""Files in the cache that are run as they are: of this user alone, and whole."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import replacing, write_text
from mindrcnn.errors import InputError
from mindrcnn.hashing import file_sha256

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def prepare_folder(folder: Path) -> None:
    """Creates a folder for its user alone. Raises InputError if it belongs to somebody else."""
    paths.make_folder(folder.parent)
    try:
        folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        status = folder.stat()
        if not _is_own(status):
            raise InputError(f"{folder}: wanted a folder of this user or of root, got one of user {status.st_uid}")
        if status.st_mode & _OTHERS_WRITE:
            folder.chmod(stat.S_IRWXU)
    except OSError as error:
        raise InputError(f"cannot create the folder {folder}: {error.strerror or error}") from error


@contextmanager
def keeping(file: Path) -> Iterator[Path]:
    """Yields a temporary path; when the block succeeds, that file becomes `file`, with its checksum beside it.

    Raises InputError if it cannot be written.
    """
    with replacing(file) as temporary:
        yield temporary
        os.chmod(temporary, stat.S_IRWXU)
        digest = file_sha256(temporary).hex()
    write_text(checksum_file(file), digest)


def is_sound(file: Path) -> bool:
    """Tells whether a file is what was kept: whole, of this user or root, and not to be written by others.

    A library that is cut would end the process with SIGBUS, and one that somebody else wrote runs what they like.
    """
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or not _is_own(status) or status.st_mode & _OTHERS_WRITE:
            return False
        return paths.read_text(checksum_file(file)) == file_sha256(file).hex()
    except (InputError, OSError):
        return False


def checksum_file(file: Path) -> Path:
    """Returns the file beside a kept one that holds its SHA-256."""
    return file.with_suffix(".sha256")


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid in (0, os.geteuid())
