"""The images that an annotation file lists, checked with one listing of each folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from mindrcnn import paths
from mindrcnn.data.image_io import read_image
from mindrcnn.data.survey import Examination, Survey
from mindrcnn.errors import InputError
from mindrcnn.messages import shorten

NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)  # there cannot be a file there
SHOWN = 3  # names in a message; enough to recognise a wrong folder


def require_images(names: Sequence[str], *, folder: Path, listed_in: Path) -> None:
    """Raises InputError with the count and the first names unless every name, relative to `folder`, has a file."""
    missing = missing_images(names, folder=folder)
    if missing:
        first = shorten([folder / name for name in missing], SHOWN)
        raise InputError(f"{listed_in}: {len(missing)} of {len(names)} listed images are absent: {first}")


def missing_images(names: Iterable[str], *, folder: Path) -> list[str]:
    """Returns the names, relative to `folder`, that have no file.

    Checking each path takes minutes for 100,000 images on a network disk; listing the folders takes one call each.
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


def examination_of_files(survey: Survey, *, folder: Path) -> Examination:
    """Returns the examination of a split whose images are files of `folder`; absent ones have no decoder."""

    def decoders() -> list[Callable[[], object]]:
        missing = set(missing_images(survey.names, folder=folder))
        return [
            partial(read_image, folder / name, annotated_size=(int(height), int(width)))
            for name, (height, width) in zip(survey.names, survey.sizes, strict=True)
            if name not in missing and height > 0
        ]

    return Examination(survey, decoders)


def require_folder(folder: Path, *, meaning: str) -> None:
    """Raises InputError unless `folder` is a folder with something in it; `meaning` says what it should hold."""
    if not paths.is_folder(folder):
        raise InputError(f"{folder}: wanted the folder of {meaning}, got {paths.describe(folder)}")
    if paths.is_empty(folder):
        raise InputError(f"{folder}: wanted the folder of {meaning}, got an empty folder")


def _file_names(folder: str) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if not _is_folder(entry))
    except OSError as error:
        if error.errno in NOWHERE:
            return frozenset()
        raise paths.refusal(Path(folder), error, "listed") from error
    except ValueError:  # a NUL character in the name
        return frozenset()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself; reading it says so
        return False
