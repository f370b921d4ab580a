"""The images of an inference run, given as a file, a folder or a glob."""

from __future__ import annotations

import glob
from pathlib import Path

from mindrcnn.errors import InputError

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
