"""The images of an inference run, given as a file, a folder or a glob."""

from __future__ import annotations

import glob
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def find_images(source: str) -> list[Path]:
    """Returns the image files that `source` names, sorted; subfolders only by `**` in a glob.

    A single file is accepted whatever its suffix. Raises InputError if nothing is found.
    """
    path = paths.expand(source)
    if paths.is_file(path):
        return [path]
    if paths.is_folder(path):
        candidates = paths.list_folder(path)
    elif glob.has_magic(source):
        candidates = paths.expand_pattern(str(path))
    else:
        raise InputError(f"{source}: wanted an image, a folder or a glob, got {_describe(path)}")
    found = [entry for entry in candidates if entry.suffix.lower() in IMAGE_SUFFIXES and _may_be_image(entry)]
    if not found:
        raise InputError(f"{source}: wanted images ({', '.join(IMAGE_SUFFIXES)}), got none in {len(candidates)} files")
    return found


def _describe(path: Path) -> str:
    found = paths.describe(path)
    return "no such file or folder" if found == "nothing" else found


def _may_be_image(path: Path) -> bool:
    """Tells whether a path is a file, or cannot be looked at: reading it then says why, and it counts as skipped."""
    try:
        return paths.is_file(path)
    except InputError:
        return True
