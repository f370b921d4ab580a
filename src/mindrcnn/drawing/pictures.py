"""Pictures on disk."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mindrcnn.atomic import replacing
from mindrcnn.errors import InputError

JPEG_QUALITY = 92


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Writes an RGB picture H,W,3 in the format of the suffix, whole or not at all. InputError when it cannot."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    try:
        done, encoded = cv2.imencode(path.suffix, bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except cv2.error:  # for a suffix that it does not know
        done = False
    if not done:
        raise InputError(f"{path}: wanted a picture format that can be written, such as .png, got {path.suffix!r}")
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def picture_names(paths: Iterable[Path]) -> dict[Path, str]:
    """A file name for each drawn image; files of one name in several folders get a number."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        name, number = f"{path.stem}.jpg", 1
        while name in taken:
            number += 1
            name = f"{path.stem}_{number}.jpg"
        taken.add(name)
        names[path] = name
    return names
