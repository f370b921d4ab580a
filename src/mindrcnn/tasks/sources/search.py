"""The images that the words of a command line name: found, named, numbered, and divided among shards."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mindrcnn.data.image_io import ImageSource, RGBImage
from mindrcnn.data.video import Frame
from mindrcnn.drawing.pictures import unique_titles
from mindrcnn.errors import InputError
from mindrcnn.tasks.sources.cameras import Cameras
from mindrcnn.tasks.sources.entry import Entry, Search, SourceKind
from mindrcnn.tasks.sources.files import Files
from mindrcnn.tasks.sources.lists import Lists
from mindrcnn.tasks.sources.urls import Urls

logger = logging.getLogger(__name__)

KINDS: tuple[SourceKind, ...] = (Urls(), Lists(), Cameras(), Files())  # the first that takes a word has it
FRAMES = 1_000_000  # image ids that are set aside for the frames of a video


@dataclass(frozen=True)
class Shard:
    """The part `number`, from 1, of `count` parts of the images."""

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise InputError(f"shard: wanted one of 1/{self.count} to {self.count}/{self.count}, got {self}")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, position: int) -> bool:
        """Tells whether the part has the image at a position, from 0."""
        return position % self.count == self.number - 1

    @property
    def suffix(self) -> str:
        """The end of the names of files that hold the results of this part; empty if it is the only one."""
        return "" if self.count == 1 else f"_{self.number}-of-{self.count}"


@dataclass(frozen=True)
class Named:
    """An image or video of a run.

    entry: where it comes from.
    title: name of the files written for it, different from all others of the run, whichever the shard.
    number: its position among all images and videos of all shards, from 1.
    """

    entry: Entry
    title: str
    number: int

    def items(self) -> Iterator[Item]:
        """Yields the image, or the frames. Raises InputError if there is none."""
        for source in self.entry.images():
            yield Item(self, source)


@dataclass(frozen=True, eq=False)
class Item:
    """An image, or a frame of a video, on its way through a run."""

    named: Named
    source: ImageSource

    @property
    def name(self) -> str:
        """The name in results: a path, a URL or a camera."""
        return self.named.entry.name

    @property
    def frame(self) -> int | None:
        """The frame's number in its video, from 0; None for an image."""
        return self.source.number if isinstance(self.source, Frame) else None

    @property
    def seconds(self) -> float | None:
        """The frame's time in its video; None for an image."""
        return self.source.seconds if isinstance(self.source, Frame) else None

    @property
    def rate(self) -> float | None:
        """How many frames a second are taken of its video; None for an image."""
        return self.source.rate if isinstance(self.source, Frame) else None

    @property
    def path(self) -> Path:
        """The image's file, or what stands for one."""
        return self.named.entry.file or Path(self.name)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.source.size

    def image(self) -> RGBImage:
        """Returns RGB (H, W, 3) uint8. Raises InputError if it cannot be read."""
        return self.source.image()


def find_entries(words: Sequence[str], search: Search, shard: Shard) -> list[Named]:
    """Returns what the words name, each image once, as far as it belongs to a shard; logs what was left out.

    Raises InputError for a word that names nothing.
    """
    entries, named = itertools.tee(_different(words, search))  # both are read in step, so that neither is kept
    titled = zip(entries, unique_titles(entry.title for entry in named), strict=True)
    found = [Named(entry, title, position + 1) for position, (entry, title) in enumerate(titled) if shard.has(position)]
    for line in search.left_out.lines():
        logger.info("left out: %s", line)
    return found


def _different(words: Sequence[str], search: Search) -> Iterator[Entry]:
    seen: set[str] = set()
    for word in words:
        kind = next(kind for kind in KINDS if kind.takes(word))
        for entry in kind.entries(word, search):
            if entry.name in seen:
                search.left_out.repeated += 1
            else:
                seen.add(entry.name)
                yield entry
