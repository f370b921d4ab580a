"""The images of an inference run, given as a file, a folder or a glob."""

from __future__ import annotations

import glob
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def find_images(source: str) -> list[Path]:
    """Returns the image files that `source` names, sorted; subfolders only by `**` in a glob.

    A single file is accepted whatever its suffix. Raises InputError if nothing is found.
    """
    path = Path(source)
    if path.is_file():
        return [path]
    if path.is_dir():
        candidates = list(path.iterdir())
    elif glob.has_magic(source):
        candidates = [Path(name) for name in glob.glob(source, recursive=True)]
    else:
        raise InputError(f"{source}: wanted an image, a folder or a glob, got no such file or folder")
    found = sorted(entry for entry in candidates if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file())
    if not found:
        raise InputError(f"{source}: wanted images ({', '.join(IMAGE_SUFFIXES)}), got none in {len(candidates)} files")
    return found


class ReadableImages:
    """Reads images one after another, (path, RGB image H,W,3 uint8); one that cannot be read is logged and skipped.

    After the iteration `skipped` lists what was left out, so that a program's exit code can tell.
    """

    def __init__(self, paths: Sequence[Path], *, read: Callable[[Path], NDArray[np.uint8]]) -> None:
        self.paths = tuple(paths)
        self.skipped: list[Path] = []
        self._read = read

    def __iter__(self) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
        self.skipped = []
        for path in self.paths:
            try:
                image = self._read(path)
            except InputError as error:
                logger.warning("skipped: %s", error)
                self.skipped.append(path)
                continue
            yield path, image
