"""Picture files: names, encoding and writing."""

import math
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2

from mindrcnn.atomic import replacing
from mindrcnn.data.image_io import RGBImage
from mindrcnn.errors import InputError
from mindrcnn.outputs import MARK

JPEG_START = b"\xff\xd8"
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_HEADER = 33  # bytes of the start and the first chunk
JPEG_QUALITY = 92  # also of the demonstration data set, whose bytes change with it


LARGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}  # pixels, of the formats themselves
_STEM_BYTES = 200  # of a name, whose length file systems limit to 255 with what is put around it


class PictureTooLarge(InputError):
    """A picture that its format cannot hold."""


def encode_picture(path: Path, picture: RGBImage) -> bytes:
    """Encodes an RGB picture (H, W, 3), or a grey one (H, W), as the file `path`, in the format of its suffix.

    Raises InputError if that format cannot be written.
    """
    largest = LARGEST_SIDE.get(path.suffix.lower(), math.inf)
    if max(picture.shape[:2]) > largest:
        raise PictureTooLarge(
            f"{path}: wanted a picture of at most {largest} pixels a side for {path.suffix}, got {picture.shape[1]} x "
            f"{picture.shape[0]}"
        )
    pixels = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    try:
        done, encoded = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except cv2.error:  # for a suffix that it does not know
        done = False
    if not done:
        raise InputError(f"{path}: wanted a picture format that can be written, such as .png, got {path.suffix!r}")
    return encoded.tobytes()


def write_picture(path: Path, picture: RGBImage) -> None:
    """Writes an RGB or grey picture in the format of the suffix, completely or not at all.

    Raises InputError if it cannot be written.
    """
    content = mark_picture(encode_picture(path, picture))
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def mark_picture(content: bytes) -> bytes:
    """Adds MARK to an encoded JPEG, as a comment, or PNG, as the name of its software; other formats stay."""
    text = MARK.encode()
    if content.startswith(JPEG_START):
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
        return content[: len(JPEG_START)] + comment + content[len(JPEG_START) :]
    if content.startswith(PNG_START):
        body = b"tEXtSoftware\0" + text
        chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        return content[:PNG_HEADER] + chunk + content[PNG_HEADER:]
    return content


def picture_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Chooses a file name for each drawn image; images of the same name in several folders get a number."""
    given = list(paths)
    return {path: f"{title}.jpg" for path, title in zip(given, unique_titles(path.stem for path in given), strict=True)}


def unique_titles(titles: Iterable[str]) -> Iterator[str]:
    """Yields a name without suffix for each title, cut to what file systems allow; repeated ones get a number."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}  # the last number of each stem, so that 20,000 of one stem are not 200 million tries
    for title in titles:
        stem = os.fsdecode(os.fsencode(title)[:_STEM_BYTES])
        number = numbers.get(stem, 0) + 1
        while (name := stem if number == 1 else f"{stem}_{number}") in taken:
            number += 1
        if number > 1:
            numbers[stem] = number
        taken.add(name)
        yield name
