"""Image files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mindrcnn import paths
from mindrcnn.data.image_io import ImageSource, readable_suffixes
from mindrcnn.data.video import VIDEO_SUFFIXES
from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import Picture, may_be_image
from mindrcnn.tasks.sources.entry import Entry, Search
from mindrcnn.tasks.sources.videos import VideoFile, is_video


@dataclass(frozen=True)
class ImageFile:
    """An image on this machine."""

    file: Path
    is_video = False
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
        """Yields the image, which is read whenever it is asked for."""
        yield Picture(path=self.file)


def file_entry(path: Path, search: Search) -> Entry:
    """Returns a file as a video if it is called so, and otherwise as an image."""
    return VideoFile(path, search.every) if is_video(path.name) else ImageFile(path)


class Files:
    """A file, a folder or a pattern."""

    def takes(self, word: str) -> bool:
        """Takes any word."""
        return True

    def entries(self, word: str, search: Search) -> Iterator[Entry]:
        """Yields a single file whatever its suffix, and of folders and patterns the images and videos."""
        if not word:  # a variable of a script that is not set; as a path it would be the current folder
            raise InputError("wanted an image, a video, a folder or a pattern, got an empty text")
        path = paths.expand(word)
        if paths.is_file(path):
            yield file_entry(path, search)
            return
        if paths.is_folder(path):
            candidates: Iterable[Path] = _below(path, search)
        elif glob.has_magic(word):
            candidates = _matching(path, search)
        else:
            found = paths.describe(path)
            got = "no such file or folder" if found == "nothing" else found
            raise InputError(f"{word}: wanted an image, a video, a folder or a pattern, got {got}")
        known = readable_suffixes() | set(VIDEO_SUFFIXES)
        before = sum(search.left_out.suffixes.values())
        count = 0
        for candidate in candidates:
            if candidate.suffix.lower() not in known:
                search.left_out.suffixes[candidate.suffix.lower()] += 1
            elif may_be_image(candidate):
                count += 1
                yield file_entry(candidate, search)
        if not count:
            raise InputError(f"{word}: wanted images or videos, got none{_instead(search, before)}")


def _instead(search: Search, before: int) -> str:
    """Returns what was found instead, if anything was."""
    lines = search.left_out.lines()
    return f"; left out: {'; '.join(lines)}" if lines and (sum(search.left_out.suffixes.values()) > before) else ""


def _below(folder: Path, search: Search) -> Iterator[Path]:
    """Yields the files in a folder, and in those below it if they are entered; each folder once."""
    out = None if search.out is None else paths.resolve(search.out)
    entered: set[Path] = set()
    pending = [folder]
    while pending:
        current = pending.pop()
        place = paths.resolve(current)
        if place in entered:
            continue
        entered.add(place)
        listed = paths.list_folder(current)
        if place == out and current != folder:
            search.left_out.written += len(listed)
            continue
        inner = []
        for path in listed:
            if path.name.startswith("."):
                search.left_out.hidden += 1
            elif _is_folder(path):
                inner.append(path)
            else:
                yield path
        if search.recursive:
            pending += reversed(inner)
        else:
            search.left_out.folders += sum(1 for path in inner if paths.resolve(path) != out)


def _matching(pattern: Path, search: Search) -> Iterator[Path]:
    """Yields the files that match; a folder that matches is one of those that a pattern passes through."""
    out = None if search.out is None else paths.resolve(search.out)
    for path in paths.expand_pattern(str(pattern)):
        if _is_folder(path):
            continue
        if out is not None and "**" in pattern.parts and _is_below(path, out):
            search.left_out.written += 1
        else:
            yield path


def _is_below(path: Path, folder: Path) -> bool:
    try:
        return folder in paths.resolve(path).parents
    except InputError:  # a link that leads to itself
        return False


def _is_folder(path: Path) -> bool:
    try:
        return paths.is_folder(path)
    except InputError:  # reading it says why
        return False
