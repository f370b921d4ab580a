"""Questions to the file system whose every failure is one InputError that names the path.

pathlib answers "no" for a path that does not exist, but raises for one that may not be looked at, for a name that is
too long and for a NUL character; and it opens pipes and devices, which then never end. Everything in the package that
reads, lists or looks for files asks here.
"""

import errno
import fnmatch
import glob
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mindrcnn.errors import InputError

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_ANY_DEPTH = "**"


def expand(path: str | Path) -> Path:
    """Returns the path with a leading `~` or `~user` replaced by that home folder."""
    text = os.fspath(path)
    if not text.startswith("~"):
        return Path(text)
    expanded = os.path.expanduser(text)
    if expanded.startswith("~"):
        user, *_ = text.split("/")
        raise InputError(f"{text}: wanted the home folder of a user, got {user}, who has none; ./{text} names a file")
    return Path(expanded)


def resolve(path: Path) -> Path:
    """Returns the absolute path without symbolic links; it need not exist."""
    require_name(path)
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to one another
        raise refusal(path, error) from error


def exists(path: Path) -> bool:
    """Tells whether there is anything at the path."""
    return _status(path) is not None


def is_file(path: Path) -> bool:
    """Tells whether there is a regular file at the path, which a pipe or a device is not."""
    status = _status(path)
    return status is not None and stat.S_ISREG(status.st_mode)


def is_folder(path: Path) -> bool:
    """Tells whether there is a folder at the path."""
    status = _status(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def describe(path: Path) -> str:
    """Describes what is at the path, for `got ...` in a message: nothing, a file, a folder, a pipe, ..."""
    status = _status(path)
    return "nothing" if status is None else _kind(status)


def size(path: Path) -> int:
    """Returns the size of a file in bytes."""
    with open_file(path) as file:
        return os.fstat(file.fileno()).st_size


def state(path: Path) -> tuple[int, ...]:
    """Returns numbers that change when a file is replaced or written to."""
    with open_file(path) as file:
        status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def open_file(path: Path, what: str = "") -> BinaryIO:
    """Opens a regular file for reading; anything else is refused at once, never waited for.

    what: what the file is, for the message that there is none: "annotation file".
    """
    status = _status(path)
    if status is None:
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        raise InputError(f"{path}: no such {what}") if what else refusal(path, missing)
    try:
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: wanted a file, got {_kind(status)}")
        # Without O_NONBLOCK, a pipe that has taken the file's place since would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise InputError(f"{path}: wanted a file, got {_kind(status)}")
        return os.fdopen(descriptor, "rb")
    except OSError as error:
        raise refusal(path, error) from error


def read_bytes(path: Path, what: str = "") -> bytes:
    """Returns the content of a regular file; `what` is that of `open_file`."""
    with open_file(path, what) as file:
        try:
            return file.read()
        except OSError as error:
            raise refusal(path, error) from error


def read_text(path: Path, what: str = "", *, encoding: str = "utf-8") -> str:
    """Returns the text of a regular file; `what` is that of `open_file`."""
    try:
        return read_bytes(path, what).decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: wanted UTF-8 text, got other bytes at offset {error.start}") from error


def list_folder(path: Path) -> list[Path]:
    """Returns what is in a folder, sorted by name."""
    require_name(path)
    try:
        return sorted(path / name for name in os.listdir(path))
    except OSError as error:
        raise refusal(path, error, "listed") from error


def is_empty(folder: Path) -> bool:
    """Tells whether there is nothing in a folder; looks no further than the first entry."""
    require_name(folder)
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError as error:
        raise refusal(folder, error, "listed") from error


def make_folder(path: Path) -> None:
    """Creates a folder and those above it, unless it exists."""
    require_name(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the folder {path}: {error.strerror or error}") from error


def expand_pattern(pattern: str) -> list[Path]:
    """Returns the paths that a glob matches, sorted. `**` enters each folder once, whatever links lead to it.

    Folders that cannot be listed match nothing, as in a shell.
    """
    require_name(Path(pattern))
    path = Path(pattern)
    start = Path(path.anchor) if path.anchor else Path()
    parts = path.parts[1:] if path.anchor else path.parts
    several = [part for part, after in zip(parts, (*parts[1:], ""), strict=True) if not part == after == _ANY_DEPTH]
    return sorted(set(_matches(start, tuple(several), set())))


def require_name(path: Path) -> None:
    """Raises InputError for a path that the system cannot be asked about."""
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise InputError(f"{path!s:.200}: wanted a name in the encoding of the file system") from error
    if b"\0" in encoded:
        raise InputError(f"{str(path)!r:.200}: wanted a path, got a text with a NUL character")


def refusal(path: Path, error: Exception, action: str = "read") -> InputError:
    """Returns the message about a path that the system refuses; `action` completes "cannot be"."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"{path}: cannot be {action}: {reason}")


def _status(path: Path) -> os.stat_result | None:
    """Returns the status of a path, None if there is nothing. Raises InputError if it cannot be told."""
    require_name(path)
    try:
        return os.stat(path)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise refusal(path, error) from error


def _kind(status: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(status.st_mode), "a file")


def _matches(folder: Path, parts: tuple[str, ...], entered: set[tuple[int, int, int]]) -> Iterator[Path]:
    """Yields the paths below `folder` that match the parts of a pattern.

    entered: folders that each `**` has seen, with the number of parts from it on.
    """
    plain = len(list(itertools.takewhile(lambda part: not glob.has_magic(part), parts)))
    if plain:
        folder, parts = folder.joinpath(*parts[:plain]), parts[plain:]
        if not os.path.lexists(folder):
            return
    if not parts:
        yield folder
        return
    first, rest = parts[0], parts[1:]
    if first == _ANY_DEPTH:
        if not _enters(folder, len(parts), entered):
            return
        if rest:
            yield from _matches(folder, rest, entered)
        for name in _names(folder):
            if not name.startswith("."):
                if not rest:
                    yield folder / name
                yield from _matches(folder / name, parts, entered)
        return
    for name in fnmatch.filter(_names(folder), first):
        if first.startswith(".") or not name.startswith("."):
            yield from _matches(folder / name, rest, entered)


def _enters(folder: Path, left: int, entered: set[tuple[int, int, int]]) -> bool:
    try:
        status = os.stat(folder)
    except OSError:
        return False
    key = left, status.st_dev, status.st_ino
    if not stat.S_ISDIR(status.st_mode) or key in entered:
        return False
    entered.add(key)
    return True


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
