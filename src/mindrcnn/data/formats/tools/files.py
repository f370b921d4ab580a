"""The files of a folder that a tool writes to, by their endings."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

from mindrcnn import paths
from mindrcnn.data.formats.json_head import JsonHead, read_json_head

IMAGE_ENDINGS = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".jp2", ".avif", ".mpo")
)
LOOKED_INTO = 20  # files of a folder that are opened to tell its format


def files_below(folder: Path, ending: str) -> list[Path]:
    """Returns the files in a folder and those in it, sorted, whose names end in `ending`, in any case."""
    found = paths.expand_pattern(f"{glob.escape(str(folder))}/**/*")
    return [path for path in found if path.suffix.lower() == ending]


def images_below(folder: Path) -> list[Path]:
    """Returns the image files in a folder and those in it, sorted."""
    found = paths.expand_pattern(f"{glob.escape(str(folder))}/**/*")
    return [path for path in found if path.suffix.lower() in IMAGE_ENDINGS]


def files_in(folder: Path, *endings: str) -> list[Path]:
    """Returns what is in a folder with one of these endings, sorted by name."""
    return [path for path in paths.list_folder(folder) if path.suffix.lower() in endings and paths.is_file(path)]


def any_json(files: Iterable[Path], fits: Callable[[JsonHead], bool]) -> Path | None:
    """Returns the first of the files whose beginning fits, as far as a few are looked into."""
    for file in islice(files, LOOKED_INTO):
        head = read_json_head(file)
        if head is not None and fits(head):
            return file
    return None
