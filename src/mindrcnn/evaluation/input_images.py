"""The images of an inference run: files, given as a file, a folder or a glob, and pixels."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from mindrcnn import paths
from mindrcnn.data.image_io import RGBImage, convert_image, read_image, read_size, readable_suffixes
from mindrcnn.errors import InputError


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
    suffixes = readable_suffixes()
    found = [entry for entry in candidates if entry.suffix.lower() in suffixes and may_be_image(entry)]
    if not found:
        known = ", ".join(sorted(suffixes))
        raise InputError(f"{source}: wanted images ({known}), got none in {len(candidates)} files")
    return found


def _describe(path: Path) -> str:
    found = paths.describe(path)
    return "no such file or folder" if found == "nothing" else found


def may_be_image(path: Path) -> bool:
    """Tells whether a path is a file, or cannot be looked at: reading it then says why, and it counts as skipped."""
    try:
        return paths.is_file(path)
    except InputError:
        return True


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """An image to predict: a file, which is read whenever its pixels are asked for, or pixels."""

    path: Path | None = None
    pixels: RGBImage | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        if self.path is not None:
            return read_size(self.path)
        height, width = self.image().shape[:2]
        return height, width

    def image(self) -> RGBImage:
        """Returns RGB (H, W, 3) uint8. Raises InputError for a file that cannot be read."""
        if self.path is not None:
            return read_image(self.path)
        assert self.pixels is not None
        return self.pixels


def as_source(image: Any, name: str = "image") -> Picture:
    """Returns the image as a source. Raises InputError, with `name` for the image, for anything but an image."""
    if isinstance(image, str | Path):
        return Picture(path=Path(image))
    if isinstance(image, PillowImage.Image):
        return Picture(pixels=convert_image(image, name=name))
    if not isinstance(image, np.ndarray):
        kind = type(image).__name__
        raise InputError(f"{name}: wanted a path, a PIL image or an RGB array (height, width, 3) uint8, got {kind}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        got = f"shape {image.shape} of type {image.dtype}"
        raise InputError(f"{name}: wanted an RGB array (height, width, 3) of type uint8, got {got}")
    return Picture(pixels=np.ascontiguousarray(image))
