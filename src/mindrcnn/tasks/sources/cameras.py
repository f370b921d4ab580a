"""Cameras of this machine, by number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mindrcnn import paths
from mindrcnn.data.image_io import ImageSource
from mindrcnn.data.video import Frame, open_camera
from mindrcnn.tasks.sources.entry import Entry, Search

MOST_DIGITS = 3


@dataclass(frozen=True)
class CameraEntry:
    """A camera, which takes pictures until the program is told to end."""

    number: int
    frames: Iterator[Frame]
    file: Path | None = None
    is_video = True
    is_endless = True

    @property
    def name(self) -> str:
        """The camera's number in words."""
        return f"camera {self.number}"

    @property
    def title(self) -> str:
        """The same as one word."""
        return f"camera_{self.number}"

    def images(self) -> Iterator[ImageSource]:
        """Yields the frames."""
        return self.frames


class Cameras:
    """The number of a camera, from 0."""

    def takes(self, word: str) -> bool:
        """Takes a number that is not the name of a file or folder."""
        return word.isdecimal() and word.isascii() and len(word) <= MOST_DIGITS and not paths.exists(Path(word))

    def entries(self, word: str, search: Search) -> Iterator[Entry]:
        """Yields the camera, which is opened at once. Raises InputError if there is none of that number."""
        number = int(word)
        yield CameraEntry(number, open_camera(number, every=search.every))
