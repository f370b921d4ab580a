"""Protection of files from being replaced: inputs, and files that these programs did not write.

What a program writes carries MARK in its first bytes, so that the same command can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError

MARK = "written by MindRCNN"
COMMENT = {"comment": MARK}  # the first member of an object that is written as JSON
HEAD = 4096  # bytes in which MARK is looked for


def is_marked(path: Path) -> bool:
    """Says whether a file begins with MARK, as text, in JSON, or among what a picture says of itself."""
    return MARK.encode() in read_head(path)


def never(_: Path) -> bool:
    """Says of any file that it may be another's: for formats that have no room for MARK."""
    return False


def read_head(path: Path) -> bytes:
    """Reads the first bytes of a file. Raises InputError if it cannot be read."""
    with paths.open_file(path) as file:
        try:
            return file.read(HEAD)
        except OSError as error:
            raise paths.refusal(path, error) from error


@dataclass(frozen=True)
class Output:
    """A file to write; `is_ours` says of an existing file whether these programs wrote it."""

    path: Path
    is_ours: Callable[[Path], bool] = is_marked


def protect(outputs: Iterable[Output], *, inputs: Iterable[Path] = (), force: bool = False) -> None:
    """Checks the files that a program is going to write, before it does any work.

    outputs: the files.
    inputs: the files that the program reads.
    force: whether inputs and files of others may be replaced.

    Raises InputError for a file that is written twice, for a folder, pipe or device and, without `force`, for a file
    that is an input or that these programs did not write.
    """
    read = {paths.resolve(path) for path in inputs}
    written: set[Path] = set()
    for output in outputs:
        path = output.path
        place = paths.resolve(path)
        if place in written:
            raise InputError(f"{path}: wanted a different file for each output, got this one twice")
        written.add(place)
        if paths.exists(path) and not paths.is_file(path):  # a device would be replaced, a pipe waited for
            raise InputError(f"{path}: wanted a file to write, got {paths.describe(path)}")
        if force or not paths.exists(path):
            continue
        if place in read:
            raise InputError(f"{path}: wanted an output that is not an input too; --force replaces it")
        if not output.is_ours(path):
            raise InputError(f"{path}: would be replaced, and MindRCNN did not write it; --force replaces it")
