"""A large JSON file row by row: only a window of its text is ever in memory.

Parsed at once, COCO's train2017 (450 MB) takes several times its size; its rows are small.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, NoReturn

WINDOW = 1 << 22  # bytes read at once: thousands of COCO's annotations

_SPACE = re.compile(r"[ \t\n\r]*")


class Element(NamedTuple):
    """An element of a list; `start` and `length`: its bytes in the file."""

    value: Any
    start: int
    length: int


@dataclass(frozen=True)
class Member:
    """A member of the file's object: its elements if it is a list, else None and its `value`."""

    key: str
    elements: Iterator[Element] | None
    value: Any = None


class JsonStream:
    """The rows of one file, in order. Its methods raise ValueError with the position at which the text is not JSON."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        # NaN and Infinity, which Python and NumPy write, are read: a field that needs a finite number refuses them.
        self._decode = json.JSONDecoder().raw_decode
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        head = file.read(len(codecs.BOM_UTF8))
        marked = head == codecs.BOM_UTF8
        self._head = b"" if marked else head
        self._text = ""
        self._place = 0  # next character
        self._counted = 0  # characters of the window that `_bytes` counts
        self._bytes = len(head) if marked else 0  # bytes of the file before them
        self._ended = False

    def is_object(self) -> bool:
        """Returns whether the file begins as an object; `whole` reads anything else."""
        return self._next() == "{"

    def whole(self) -> Any:
        """Returns the file as one value, for messages about a file of another kind."""
        return self._value()

    def members(self) -> Iterator[Member]:
        """Yields the object's members. Elements are read lazily; the next member skips those that are left."""
        self._expect("{")
        for key in self._keys():
            if self._next() == "[":
                elements = self._list()
                yield Member(key, elements)
                for _ in elements:
                    pass
            else:
                yield Member(key, None, self._value())
        if self._next():
            self._fail("Extra data")

    def elements(self) -> Iterator[Element]:
        """Yields the elements of a file that is a list."""
        yield from self._list()

    def is_list(self) -> bool:
        """Returns whether the file begins as a list."""
        return self._next() == "["

    def _list(self) -> Iterator[Element]:
        self._expect("[")
        for _ in self._items("]"):
            self._next()
            start = self._position()
            value = self._value()
            yield Element(value, start, self._position() - start)

    def _keys(self) -> Iterator[str]:
        for _ in self._items("}"):
            if self._next() != '"':
                self._fail("Expecting property name enclosed in double quotes")
            key = self._value()
            self._expect(":")
            yield key

    def _items(self, closing: str) -> Iterator[None]:
        """Yields once for each element, which the caller reads; ends after `closing`."""
        if self._next() == closing:
            self._expect(closing)
            return
        while True:
            yield
            if self._next() == closing:
                self._expect(closing)
                return
            self._expect(",")

    def _value(self) -> Any:
        self._next()
        while True:
            try:
                value, end = self._decode(self._text, self._place)
            except json.JSONDecodeError as error:
                if self._ended:
                    self._place = error.pos
                    self._fail(error.msg)
            else:
                if end < len(self._text) or self._ended:  # a number at the end of the window may continue
                    self._place = end
                    return value
            self._read()

    def _next(self) -> str:
        """Returns the next character that is not a space; empty at the end of the file."""
        character = self._text[self._place : self._place + 1]
        if character > " ":  # no space, which is what most calls find
            return character
        while True:
            self._place = _SPACE.match(self._text, self._place).end()  # type: ignore[union-attr]
            if self._place < len(self._text):
                return self._text[self._place]
            if self._ended:
                return ""
            self._read()

    def _expect(self, character: str) -> None:
        if self._next() != character:
            self._fail(f"Expecting {character!r}")
        self._place += 1

    def _read(self) -> None:
        """Drops the text that was read and reads more, twice as much each time that one value does not fit."""
        self._position()
        rest = self._text[self._place :]
        piece = self._head + self._file.read(max(WINDOW, len(rest)))
        self._head = b""
        self._ended = not piece
        self._text = rest + self._utf8.decode(piece, final=self._ended)
        self._place = self._counted = 0

    def _position(self) -> int:
        """Returns the number of bytes of the file before the next character."""
        behind = self._text[self._counted : self._place]
        self._bytes += len(behind) if behind.isascii() else len(behind.encode())
        self._counted = self._place
        return self._bytes

    def _fail(self, problem: str) -> NoReturn:
        raise ValueError(f"{problem} at byte {self._position()}")
