"""Videos on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mindrcnn.data.image_io import ImageSource
from mindrcnn.data.video import VIDEO_SUFFIXES, read_video


def is_video(name: str) -> bool:
    """Tells whether a name is that of a video."""
    return name.lower().endswith(VIDEO_SUFFIXES)


@dataclass(frozen=True)
class VideoFile:
    """A video, of which every N-th frame is taken."""

    file: Path
    every: int
    is_video = True
    is_endless = False

    @property
    def name(self) -> str:
        """The path."""
        return str(self.file)

    @property
    def title(self) -> str:
        """The name of the file."""
        return self.file.stem

    def images(self) -> Iterator[ImageSource]:
        """Yields the frames."""
        return read_video(self.file, every=self.every)
