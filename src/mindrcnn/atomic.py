"""Atomic writing of files, and locks between processes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError

UNFINISHED: set[Path] = set()  # files that this process removes when it is done with them


def remove_unfinished() -> None:
    """Removes the files of UNFINISHED, for a process that ends at once."""
    for path in list(UNFINISHED):
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path`; when the block succeeds, that file replaces `path`.

    The folder is created if it does not exist. On any exception the temporary file is removed and `path` stays as it
    was. OSError (disk full, no permission) becomes InputError. The temporary name depends on `path` only, so a file
    left by a killed process is overwritten.
    """
    paths.require_name(path)
    if not path.name:
        raise InputError(f"cannot write {path}: wanted the name of a file")
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # a link or a pipe of that name would be written through
        UNFINISHED.add(temporary)
        yield temporary
        move_into_place(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        UNFINISHED.discard(temporary)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically. Raises InputError if it cannot be written."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, which the system releases if the process is killed. Creates the folder if needed.

    Raises InputError if the folder cannot be written, or its file system, of a network say, has no locks.
    """
    paths.make_folder(folder)
    path = folder / "lock"
    try:
        # Without O_NONBLOCK, a pipe in the file's place would be waited for.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise InputError(
                f"cannot lock {path}: {error.strerror or error}; MINDRCNN_CACHE names a folder on another disk"
            ) from error
        yield
    finally:
        os.close(descriptor)


def move_into_place(temporary: Path, path: Path) -> None:
    """Lets a finished file replace `path`, as one step.

    The file is flushed to disk before; otherwise a power cut could leave an empty file under the final name.
    """
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
