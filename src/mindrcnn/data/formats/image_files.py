"""Whether the images that an annotation file lists are there, found out with one listing per folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mindrcnn.errors import InputError

SHOWN = 3  # names in a message; enough to recognise a wrong folder


def require_images(names: Sequence[str], *, folder: Path, listed_in: Path) -> None:
    """InputError with the count and the first names, unless every name is a file's, relative to `folder`."""
    missing = missing_images(names, folder=folder)
    if missing:
        shown = ", ".join(str(folder / name) for name in missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
        raise InputError(f"{listed_in}: {len(missing)} of {len(names)} listed images are absent: {shown}")


def missing_images(names: Iterable[str], *, folder: Path) -> list[str]:
    """The names that are no file's, relative to `folder`.

    Asking for each path by itself takes minutes for 100,000 images on a network disk; listing their folders takes one
    call for each.
    """
    present: dict[str, frozenset[str]] = {}
    missing = []
    for name in names:
        parent, last = os.path.split(folder / name)
        if parent not in present:
            present[parent] = _file_names(parent)
        if last not in present[parent]:
            missing.append(name)
    return missing


def require_folder(folder: Path, *, meaning: str) -> None:
    """InputError unless `folder` is a folder that is not empty; `meaning` says what it should hold."""
    if not folder.is_dir():
        what = "a file" if folder.exists() else "nothing"
        raise InputError(f"{folder}: wanted the folder of {meaning}, got {what}")
    if not any(True for _ in folder.iterdir()):
        raise InputError(f"{folder}: wanted the folder of {meaning}, got an empty folder")


def _file_names(folder: str) -> frozenset[str]:
    if not os.path.isdir(folder):
        return frozenset()
    with os.scandir(folder) as entries:
        return frozenset(entry.name for entry in entries if not entry.is_dir())
