"""Image files of every kind as RGB uint8 arrays.

Pillow decodes, because it reports a truncated JPEG as an error, where OpenCV fills the rest with grey and only writes
to stderr; on COCO's JPEGs both take the same time and give the same pixels.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mindrcnn.errors import InputError

RGBImage = npt.NDArray[np.uint8]  # (H, W, 3)


class ImageSource(Protocol):
    """One image, decoded when it is asked for. path: its file, or the name of one; None for an image without a file.
    size: (height, width) of what `image` returns."""

    @property
    def path(self) -> Path | None: ...
    @property
    def size(self) -> tuple[int, int]: ...
    def image(self) -> RGBImage: ...


EXIF_ORIENTATION = 0x0112
UPRIGHT = 1
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap height and width

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def read_image(path: Path, *, annotated_size: tuple[int, int] | None = None) -> RGBImage:
    """RGB (H, W, 3) uint8, turned upright by its EXIF orientation; alpha is dropped, 16 bit are scaled to 8.

    `annotated_size` (h, w) is what the boxes refer to. Some annotation tools ignore the EXIF orientation: where only
    the unturned image has that size, the image is left unturned. InputError names the file: unreadable, truncated, or
    of another size.
    """
    with _opened(path, path) as image:
        return _decoded(image, path, annotated_size)


def decode_image(content: bytes, *, name: Path, annotated_size: tuple[int, int] | None = None) -> RGBImage:
    """As read_image, from the bytes of the file `name`."""
    with _opened(io.BytesIO(content), name) as image:
        return _decoded(image, name, annotated_size)


def convert_image(image: Image.Image, *, name: str) -> RGBImage:
    """As read_image, from an image that Pillow has opened; `name` stands for it in errors."""
    return _decoded(image, Path(name), None)


def read_size(path: Path) -> tuple[int, int]:
    """(h, w) after EXIF rotation, from the file's header alone. InputError names a file that is no image."""
    with _opened(path, path) as image:
        height, width = image.height, image.width
        return (width, height) if _orientation(image) in SIDEWAYS else (height, width)


def _opened(file: Path | io.BytesIO, path: Path) -> Image.Image:
    try:
        return Image.open(file)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: wanted an image, got a file of another kind or an empty one") from error
    except UNREADABLE as error:
        raise InputError(f"{path}: wanted a readable image: {error}") from error


def _decoded(image: Image.Image, path: Path, annotated_size: tuple[int, int] | None) -> RGBImage:
    turned = _is_turned(image, annotated_size, path)
    try:
        image.load()
        upright = ImageOps.exif_transpose(image) if turned else image
        return _to_rgb(upright)
    except UNREADABLE as error:
        raise InputError(f"{path}: wanted a readable image: {error}") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, UPRIGHT))
    except (*UNREADABLE, TypeError):  # a damaged EXIF block does not make the pixels unreadable
        return UPRIGHT


def _is_turned(image: Image.Image, annotated_size: tuple[int, int] | None, path: Path) -> bool:
    """Whether to turn the image upright: unless its annotations were made on the unturned one."""
    orientation = _orientation(image)
    stored = (image.height, image.width)
    upright = stored[::-1] if orientation in SIDEWAYS else stored
    if annotated_size is not None and annotated_size not in (upright, stored):
        raise InputError(
            f"{path}: the annotation says height {annotated_size[0]} and width {annotated_size[1]}, the file has "
            f"height {upright[0]} and width {upright[1]}"
        )
    return orientation != UPRIGHT and annotated_size in (None, upright)


def _to_rgb(image: Image.Image) -> RGBImage:
    if image.mode.startswith("I"):  # grey, 16 bit: "I;16" and its byte orders; "I" where Pillow widens it
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise ValueError("pixels are floating point numbers, wanted 8 or 16 bit")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow asks for this step where a palette has transparent entries
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
