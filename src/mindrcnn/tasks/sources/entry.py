"""The small protocols of a kind of source, and what a search for images carries from one to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mindrcnn.data.image_io import ImageSource, missing_plugin


class Entry(Protocol):
    """One image, or one video.

    name: what results call it.
    title: what the files written for it are called, without a suffix.
    file: the file on this machine, if it is one.
    is_video: whether it has frames.
    is_endless: whether it ends only when the program is told to.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def file(self) -> Path | None: ...
    @property
    def is_video(self) -> bool: ...
    @property
    def is_endless(self) -> bool: ...
    def images(self) -> Iterator[ImageSource]:
        """Yields the image, or the frames. Raises InputError if there is none."""


@dataclass
class LeftOut:
    """Counts of what was not taken, by the reason."""

    suffixes: Counter[str] = field(default_factory=Counter)
    folders: int = 0
    hidden: int = 0
    written: int = 0
    repeated: int = 0

    def lines(self) -> list[str]:
        """Returns a line for each reason."""
        lines = []
        if self.suffixes:
            files = _counted(self.suffixes.total(), "file of another kind", "files of other kinds")
            lines.append(f"{files}: {self._kinds()}")
        for count, one, several in (
            (self.folders, "folder, which --recursive enters", "folders, which --recursive enters"),
            (self.hidden, "hidden file or folder", "hidden files and folders"),
            (self.written, "file in the output folder", "files in the output folder"),
            (self.repeated, "image that is named twice", "images that are named more than once"),
        ):
            if count:
                lines.append(_counted(count, one, several))
        return lines

    def _kinds(self) -> str:
        kinds = []
        for suffix, count in sorted(self.suffixes.items(), key=lambda item: (-item[1], item[0])):
            plugin = missing_plugin(suffix)
            kinds.append(f"{suffix or 'no suffix'} {count}" + (f" (pip install {plugin} reads them)" if plugin else ""))
        return ", ".join(kinds)


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


@dataclass(frozen=True)
class Search:
    """How words are searched for images.

    recursive: whether folders in folders are entered.
    every: takes every N-th frame of a video.
    out: the folder of results, of which nothing is taken if it lies below a folder that is searched.
    left_out: what was not taken so far.
    """

    recursive: bool = False
    every: int = 1
    out: Path | None = None
    left_out: LeftOut = field(default_factory=LeftOut)


class SourceKind(Protocol):
    """One kind of words that name images."""

    def takes(self, word: str) -> bool:
        """Tells whether a word is of this kind."""

    def entries(self, word: str, search: Search) -> Iterator[Entry]:
        """Yields what the word names. Raises InputError if it names nothing."""
