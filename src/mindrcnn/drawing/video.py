"""Videos, written frame by frame and named when complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.data.image_io import RGBImage
from mindrcnn.errors import InputError
from mindrcnn.outputs import MARK

CODEC = "mp4v"  # MPEG-4, which OpenCV's packages can write; H.264 they cannot
_BOX = (8 + len(MARK)).to_bytes(4, "big") + b"free" + MARK.encode()  # at the end of a file, where players skip it


def is_our_video(path: Path) -> bool:
    """Says whether a video ends with MARK, as those do that are written here."""
    with paths.open_file(path) as file:
        try:
            file.seek(-min(len(_BOX), paths.size(path)), 2)
            return file.read() == _BOX
        except OSError as error:
            raise paths.refusal(path, error) from error


class VideoOut:
    """A video that is being written; all of its frames have the size of the first."""

    def __init__(self, path: Path, *, size: tuple[int, int], rate: float) -> None:
        self._height, self._width = size
        self._writer: Any = cv2.VideoWriter(
            str(path), cv2.VideoWriter.fourcc(*CODEC), rate, (self._width, self._height)
        )
        if not self._writer.isOpened():
            raise InputError(f"{path}: OpenCV cannot write a video of {self._width} x {self._height}")

    @classmethod
    @contextmanager
    def replacing(cls, path: Path, *, size: tuple[int, int], rate: float) -> Iterator[VideoOut]:
        """Yields a video that has its name once the context is left without an exception.

        path: the file, which ends in .mp4. An earlier one is removed at once.
        size: (height, width).
        rate: frames a second.

        Raises InputError if it cannot be written.
        """
        with replacing(path) as temporary:
            path.unlink(missing_ok=True)
            video = cls(temporary, size=size, rate=rate)
            try:
                yield video
            finally:
                video._writer.release()
            with open(temporary, "ab") as file:
                file.write(_BOX)

    def add(self, picture: RGBImage) -> None:
        """Adds a frame; one of another size is cut or filled up at its right and bottom."""
        if picture.shape[:2] != (self._height, self._width):
            canvas = np.zeros((self._height, self._width, 3), np.uint8)
            part = picture[: self._height, : self._width]
            canvas[: part.shape[0], : part.shape[1]] = part
            picture = canvas
        self._writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
