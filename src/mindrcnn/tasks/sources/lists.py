"""Lists of images: text files, and standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.tasks.sources.entry import Entry, Search
from mindrcnn.tasks.sources.files import Files, file_entry
from mindrcnn.tasks.sources.urls import Urls

STANDARD_INPUT = "-"
SUFFIX = ".txt"


class Lists:
    """A text file that has a path, folder, pattern or URL a line, or standard input.

    Lines end with a newline or, as `find -print0` writes them, with NUL. Empty lines and those that begin with # are
    left out. A path is relative to the current folder or, if nothing is there, to that of the list.
    """

    def takes(self, word: str) -> bool:
        """Takes `-` and text files."""
        if word == STANDARD_INPUT:
            return not paths.exists(Path(word))
        return word.lower().endswith(SUFFIX) and paths.is_file(paths.expand(word))

    def entries(self, word: str, search: Search) -> Iterator[Entry]:
        """Yields what the lines name. A file that does not exist is found out when it is to be read, and skipped."""
        if word == STANDARD_INPUT:
            name, folder, content = "standard input", Path(), _standard_input()
        else:
            path = paths.expand(word)
            name, folder, content = word, path.parent, paths.read_bytes(path)
        separator = b"\0" if b"\0" in content else b"\n"
        count = 0
        for number, line in enumerate(content.split(separator), start=1):
            text = os.fsdecode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip("\r\n \t")
            if text and not text.startswith("#"):
                count += 1
                try:
                    yield from _line_entries(text, folder, search)
                except InputError as error:
                    raise InputError(f"{name}: line {number}: {error}") from error
        if not count:
            raise InputError(f"{name}: wanted a list of images, one a line, got none")


def _line_entries(line: str, folder: Path, search: Search) -> Iterator[Entry]:
    if Urls().takes(line):
        yield from Urls().entries(line, search)
        return
    path = paths.expand(line)
    if not path.is_absolute() and not paths.exists(path) and paths.exists(folder / path):
        path = folder / path
    if paths.is_folder(path) or (glob.has_magic(line) and not paths.exists(path)):
        yield from Files().entries(str(path), search)
    else:
        yield file_entry(path, search)


def _standard_input() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise InputError(f"cannot read standard input: {error.strerror or error}") from error
