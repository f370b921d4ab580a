"""Image files as RGB uint8 arrays.

Pillow does the decoding because it reports a truncated JPEG as an error; OpenCV fills the rest with grey and only
writes to stderr. On COCO's JPEGs both take the same time and give the same pixels.
"""

from __future__ import annotations

import functools
import importlib
import io
import stat
import struct
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mindrcnn.errors import InputError

RGBImage = npt.NDArray[np.uint8]  # (H, W, 3)


class ImageSource(Protocol):
    """An image that is decoded on demand.

    path: its file or the name of one, None for an image without a file.
    size: (height, width) of what `image` returns.
    """

    @property
    def path(self) -> Path | None: ...
    @property
    def size(self) -> tuple[int, int]: ...
    def image(self) -> RGBImage: ...


EXIF_ORIENTATION = 0x0112
UPRIGHT = 1
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap height and width
TURN_BACK = {  # from upright to stored
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
STORED_IN_HEADER = ("JPEG", "MPO")  # formats that Pillow surely does not turn upright itself, as it does TIFF
WIDENED = ("PNG", "PPM")  # formats whose 16 bits some versions of Pillow give as 32

# The formats that Pillow and the libraries in it decode themselves. Its other plugins are not asked: some, EPS for one,
# hand the file to another program, whatever the file is called.
FORMATS = ("JPEG", "MPO", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
LISTED_FORMATS = ", ".join(FORMATS[:6])

# Packages that teach Pillow a format of FORMATS with a library in themselves: the module, and what installs it.
PLUGINS = {"AVIF": ("pillow_avif", "pillow-avif-plugin"), "HEIF": ("pillow_heif", "pillow-heif")}
SUFFIXES = {
    **{".bmp": "BMP", ".gif": "GIF", ".jp2": "JPEG2000", ".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG"},
    **{".pgm": "PPM", ".ppm": "PPM", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"},
    **{".avif": "AVIF", ".heic": "HEIF", ".heif": "HEIF"},
}

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

# Decoding takes seven bytes a pixel: 450 MB for this many, 8,000 x 8,000. A file of 20 kB can hold 169 million. Larger
# images are read where data.max_megapixels allows them.
MAX_PIXELS = 64_000_000

STRIP = 4_000_000  # pixels that are converted at a time, so that a large image is not held in three forms

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


class _Limit:
    """The number of pixels that images may have, in the whole process as Pillow's own limit is."""

    pixels = MAX_PIXELS


def allow_pixels(pixels: int) -> None:
    """Sets the number of pixels up to which images are read."""
    _Limit.pixels = pixels
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, pixels)


def require_pixels(path: Path, size: tuple[int, int]) -> None:
    """Raises InputError for an image or frame of more pixels than are read; `size` is (height, width)."""
    height, width = size
    if width * height > _Limit.pixels:
        raise InputError(
            f"{path}: wanted an image of up to {_Limit.pixels / 1e6:g} million pixels, got {width} x {height}: "
            "data.max_megapixels allows more"
        )


def read_image(path: Path, *, annotated_size: tuple[int, int] | None = None) -> RGBImage:
    """Reads an image as RGB (H, W, 3) uint8, rotated upright by its EXIF orientation; drops alpha, scales 16 bits to 8.

    `annotated_size` (h, w) is the size that the boxes refer to. Some annotation tools ignore the EXIF orientation, so
    an image that has this size only before rotation is not rotated. Raises InputError for a file that is unreadable,
    truncated or of another size.
    """
    with _open(path, path) as image:
        return _decode(image, path, annotated_size)


def decode_image(content: bytes, *, name: Path, annotated_size: tuple[int, int] | None = None) -> RGBImage:
    """Decodes the content of the file `name`; otherwise the same as read_image."""
    with _open(io.BytesIO(content), name) as image:
        return _decode(image, name, annotated_size)


def convert_image(image: Image.Image, *, name: str) -> RGBImage:
    """Converts an image opened by Pillow, as read_image does; error messages call it `name`."""
    return _decode(image, Path(name), None)


def read_size(path: Path) -> tuple[int, int]:
    """Reads (h, w) after EXIF rotation, from the file's header alone unless its format leaves them open.

    Raises InputError for a file that is no image.
    """
    with _open(path, path) as image:
        if _orientation(image) in SIDEWAYS and image.format not in STORED_IN_HEADER:
            _load(image, path)
        height, width = image.height, image.width
        return (width, height) if _orientation(image) in SIDEWAYS else (height, width)


def read_labels(path: Path) -> npt.NDArray[np.integer[Any]]:
    """Reads a map of numbers (H, W): the indices of a palette, grey values, or colours of Pascal VOC's palette."""
    with _open(path, path) as image:
        _load(image, path)
        if image.mode in ("1", "L", "P") or image.mode.startswith("I"):
            return np.asarray(image).astype(np.uint8) if image.mode == "1" else np.asarray(image)
        try:
            pixels = _to_rgb(image)
        except UNREADABLE as error:
            raise InputError(f"{path}: wanted a readable image: {error}") from error
    numbers = np.zeros(pixels.shape[:2], dtype=np.int32)
    for bit in range(8):  # each group of three bits of a number sets one bit of red, green and blue, the highest first
        for channel in range(3):
            numbers |= (pixels[:, :, channel] >> (7 - bit) & 1).astype(np.int32) << (3 * bit + channel)
    return numbers


@functools.cache
def _formats() -> list[str]:
    """Returns those of FORMATS that this build of Pillow, or an installed plugin, reads."""
    Image.init()
    for name, (module, _) in PLUGINS.items():
        if name not in Image.OPEN:
            _register(module)
    return [name for name in FORMATS if name in Image.OPEN]


def _register(module: str) -> None:
    """Imports a plugin, if it is installed; some register themselves, one is told to."""
    try:
        plugin = importlib.import_module(module)
    except ImportError:
        return
    getattr(plugin, "register_heif_opener", lambda: None)()


def readable_suffixes() -> frozenset[str]:
    """Returns the suffixes of image files that can be read here."""
    return frozenset(suffix for suffix, name in SUFFIXES.items() if name in _formats())


def missing_plugin(suffix: str) -> str:
    """Returns the package that reads images of a suffix, if it is not installed; otherwise nothing."""
    name = SUFFIXES.get(suffix.lower(), "")
    return PLUGINS[name][1] if name in PLUGINS and name not in _formats() else ""


def _open(file: Path | io.BytesIO, path: Path) -> Image.Image:
    try:
        if isinstance(file, Path):
            _require_file(file)
        image = Image.open(file, formats=_formats())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such image file") from error
    except UnidentifiedImageError as error:
        plugin = missing_plugin(path.suffix)
        hint = f"; {plugin} reads {path.suffix.lower()}: pip install {plugin}" if plugin else ""
        raise InputError(
            f"{path}: wanted an image ({LISTED_FORMATS}), got an empty file or one of another kind{hint}"
        ) from error
    except UNREADABLE as error:
        raise InputError(f"{path}: wanted a readable image: {error}") from error
    try:
        require_pixels(path, (image.height, image.width))
    except InputError:
        image.close()
        raise
    return image


def _require_file(path: Path) -> None:
    """Raises InputError for what reading would wait on, a pipe say, or never come to the end of."""
    kind = stat.S_IFMT(path.stat().st_mode)
    if kind != stat.S_IFREG:
        raise InputError(f"{path}: wanted an image file, got {_KINDS.get(kind, 'something else')}")


def _decode(image: Image.Image, path: Path, annotated_size: tuple[int, int] | None) -> RGBImage:
    orientation = _orientation(image)
    _load(image, path)
    try:
        if image.mode == "I" and image.format not in WIDENED:
            raise ValueError("wanted pixels of 8 or 16 bits, got some of 32, of which the largest value is not known")
        return _to_rgb(_turned(image, orientation, annotated_size, path))
    except UNREADABLE as error:
        raise InputError(f"{path}: wanted a readable image: {error}") from error


def _load(image: Image.Image, path: Path) -> None:
    try:
        image.load()
    except UNREADABLE as error:
        raise InputError(f"{path}: wanted a readable image: {error}") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(EXIF_ORIENTATION, UPRIGHT))
    except (*UNREADABLE, TypeError):  # a damaged EXIF block does not make the pixels unreadable
        return UPRIGHT


def _turned(image: Image.Image, orientation: int, annotated_size: tuple[int, int] | None, path: Path) -> Image.Image:
    """Returns the decoded image upright or, if that alone has the annotated size, as stored.

    orientation: the EXIF orientation before decoding; a decoder that turns the image removes it.
    """
    is_upright = _orientation(image) != orientation
    decoded = (image.height, image.width)
    turned = decoded[::-1] if orientation in SIDEWAYS else decoded
    upright, stored = (decoded, turned) if is_upright else (turned, decoded)
    if annotated_size is not None and annotated_size not in (upright, stored):
        (wanted_height, wanted_width), (height, width) = annotated_size, upright
        raise InputError(
            f"{path}: the annotation says height {wanted_height} and width {wanted_width}, the file has "
            f"height {height} and width {width}"
        )
    if annotated_size in (None, upright):
        return image if is_upright or orientation == UPRIGHT else ImageOps.exif_transpose(image)
    return image.transpose(TURN_BACK[orientation]) if is_upright else image


def _to_rgb(image: Image.Image) -> RGBImage:
    if image.mode.startswith("I"):  # 16-bit grey: "I;16" and its byte orders, or "I" if Pillow widened it
        grey = np.clip(np.asarray(image) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise ValueError("wanted pixels of 8 or 16 bits, got floating-point numbers")
    rows = max(STRIP // image.width, 1)
    if rows >= image.height:
        return _converted(image)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = _converted(strip)
    return pixels


def _converted(image: Image.Image) -> RGBImage:
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow wants this step for a palette with transparent entries
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
