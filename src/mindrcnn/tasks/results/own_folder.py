"""Folders of results whose files are not known in advance, one an object say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.outputs import Output, is_marked


def own_folder(folder: Path, *, force: bool) -> Iterable[Output]:
    """Returns no outputs, after making sure that what is in a folder may be replaced.

    Raises InputError if, without `force`, it has a file that these programs did not write.
    """
    if paths.exists(folder) and not paths.is_folder(folder):
        raise InputError(f"{folder}: wanted a folder to write into, got {paths.describe(folder)}")
    if not force and paths.exists(folder):
        for path in _files(folder):
            if not is_marked(path):
                raise InputError(f"{path}: might be replaced, and MindRCNN did not write it; --force replaces it")
    return ()


def file_part(name: str) -> str:
    """Returns the name of a class as a part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name).strip(". ") or "_"


def _files(folder: Path) -> Iterator[Path]:
    for path in paths.list_folder(folder):
        if paths.is_folder(path):
            yield from (inner for inner in paths.list_folder(path) if paths.is_file(inner))
        else:
            yield path
