"""Undrawn images that have no file on this machine, frames and downloads, kept for data sets that need one."""

from __future__ import annotations

import os
from pathlib import Path

from mindrcnn import paths
from mindrcnn.drawing.pictures import write_picture
from mindrcnn.errors import InputError
from mindrcnn.tasks.results.result import Found


def image_file(found: Found, folder: Path) -> Path:
    """Returns the image's own file or, if it has none, a copy in `folder`, which is written."""
    own = found.named.entry.file
    if own is not None and found.frame is None:
        return own
    path = folder / f"{found.title}.jpg"
    source = found.detections.source
    if source is None:  # an earlier, resumed run has written it
        return path
    write_picture(path, source.image())
    return path


def relative_name(file: Path, folder: Path) -> str:
    """Returns the path of a file relative to a folder, both as they are without symbolic links."""
    try:
        return Path(os.path.relpath(paths.resolve(file), paths.resolve(folder))).as_posix()
    except ValueError as error:
        raise InputError(f"{file}: wanted a path that can be written relative to {folder}: {error}") from error
