"""The tables of a COCO JSON file as checked columns, read in blocks of rows.

A column of a block is checked as a whole, and row by row only to name the bad row: COCO's train2017 has 860,000
objects.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mindrcnn.data.formats.coco.json_stream import JsonStream, Member
from mindrcnn.errors import InputError
from mindrcnn.messages import kind_of, quote_value
from mindrcnn.untrusted.numbers import number_rows

Row = Mapping[str, Any]
Ints = npt.NDArray[np.int64]  # of type object where an id is larger than int64
Doubles = npt.NDArray[np.float64]

SINGULAR = {"images": "image", "annotations": "annotation", "categories": "category"}
TABLES = tuple(SINGULAR)
BLOCK_ROWS = 4096
TEXT_ID_BYTES = 7  # of a checksum: among a million texts, two have the same number with a chance of 1 in 140,000
MAX_DIGITS = 18
_QUOTES = "'\""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive rows of a table; `starts` and `lengths` (n,) int64 are the bytes of each in the file."""

    columns: Columns
    starts: Ints
    lengths: Ints

    def single_rows(self) -> Iterator[Block]:
        """Yields the same rows in blocks of one."""
        for index, columns in enumerate(self.columns.single_rows()):
            one = slice(index, index + 1)
            yield Block(columns, self.starts[one], self.lengths[one])


def read_blocks(path: Path, file: BinaryIO) -> Iterator[tuple[str, Block]]:
    """Yields the three tables of the open file, block by block in the file's order; other members are skipped.

    The annotations may be missing: COCO publishes its test splits without them.
    Raises InputError: not JSON, or another table that is missing, one that is repeated or not a list of objects.
    """
    stream = JsonStream(file)
    keys: list[str] = []
    try:
        if not stream.is_object():
            raise InputError(f"{path}: wanted a JSON object with {', '.join(TABLES)}, got {kind_of(stream.whole())}")
        for member in stream.members():
            keys.append(member.key)
            if member.key in TABLES:
                for block in _blocks(path, member):
                    yield member.key, block
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise InputError(f"{path}: wanted a COCO annotation file, got one that is not JSON: {error}") from error
    for table in TABLES:
        if keys.count(table) != 1 and (table, keys.count(table)) != ("annotations", 0):
            wanted = f"a key {table!r}" if table not in keys else f"one key {table!r}"
            raise InputError(f"{path}: wanted {wanted}, got only {quote_value(sorted(keys))}")


def content_blocks(name: Path, content: Any) -> Iterator[tuple[str, Block]]:
    """Yields the tables of a COCO file's content as `read_blocks` does those of a file; `name` is for messages."""
    for table in TABLES:
        rows = content.get(table) if isinstance(content, Mapping) else None
        if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
            raise InputError(f"{name}: wanted COCO JSON with the list {table!r} of objects, got none")
        nothing = np.zeros(len(rows), dtype=np.int64)
        yield table, Block(Columns(path=name, table=table, rows=rows), nothing, nothing)


def empty_block(path: Path, table: str) -> Block:
    """Returns a block of a table without rows."""
    nothing = np.zeros(0, dtype=np.int64)
    return Block(Columns(path=path, table=table, rows=[]), nothing, nothing)


def _blocks(path: Path, member: Member) -> Iterator[Block]:
    table = member.key
    if member.elements is None:
        raise InputError(f"{path}: {table}: wanted a list of objects, got {kind_of(member.value)}")
    first = 0
    while elements := list(islice(member.elements, BLOCK_ROWS)):
        rows = [element.value for element in elements]
        if not all(isinstance(row, dict) for row in rows):
            raise InputError(f"{path}: {table}: wanted a list of objects, got a list of something else")
        yield Block(
            Columns(path=path, table=table, rows=rows, first=first),
            np.array([element.start for element in elements], dtype=np.int64),
            np.array([element.length for element in elements], dtype=np.int64),
        )
        first += len(rows)


class Columns:
    """Rows of one table, column by column; every error names the file and the row's id.

    `first` is the index of the first row in its table.
    """

    def __init__(self, *, path: Path, table: str, rows: Sequence[Row], first: int = 0) -> None:
        self.rows = rows
        self._path = path
        self._table = table
        self._singular = SINGULAR[table]
        self._first = first

    def __len__(self) -> int:
        return len(self.rows)

    def single_rows(self) -> Iterator[Columns]:
        """Yields the same rows one by one."""
        for index, row in enumerate(self.rows):
            yield Columns(path=self._path, table=self._table, rows=[row], first=self._first + index)

    def ids(self, key: str) -> Ints:
        """Returns a column (n,) of whole numbers: int64, or object where one is larger than that.

        A text is the number that it writes or, of letters, one made of it: the same for the same text in any column.
        """
        values = self._values(key)
        if str in set(map(type, values)):
            values = [text_id(value) if isinstance(value, str) and value else value for value in values]
        self._require(key, "a whole number", values, set(map(type, values)) <= {int}, _is_whole)
        return id_array(values)

    def lengths(self, key: str, *, high: int) -> Ints:
        """Returns a column (n,) int64 of whole numbers from 1 to `high`."""
        column = self.ids(key)
        for fits, wanted in (
            (column >= 1, "a whole number of at least 1"),
            (column <= high, f"a whole number of at most {high}"),
        ):
            if not fits.all():
                raise self._wrong(int(np.argmin(fits)), key, wanted)
        return column

    def flags(self, key: str) -> npt.NDArray[np.bool_]:
        """Returns a column (n,) of whole numbers as whether each is above 0; one that is missing or null is not."""
        values: list[Any] = [row.get(key) for row in self.rows]
        kinds = set(map(type, values))
        good = kinds <= {int, bool} and min(values, default=0) >= 0
        self._require(key, "a whole number of at least 0", values, good, _is_flag)
        return np.fromiter(map(bool, values), dtype=bool, count=len(values))

    def texts(self, key: str) -> list[str]:
        """Returns a column of strings that are not empty and can be written as UTF-8."""
        values = self._texts(key)
        self._require(key, "Unicode text", values, "".join(values).isascii(), _is_unicode)
        return values

    def file_names(self, key: str) -> list[bytes]:
        """Returns a column of texts that are not empty, in the file system's encoding."""
        values = self._texts(key)
        names = [_file_name(value) for value in values]
        self._require(key, "a file name", values, all(names), lambda value: bool(_file_name(value)))
        return names

    def _texts(self, key: str) -> list[str]:
        values = self._values(key)
        self._require(key, "a text that is not empty", values, False, _is_text)
        return values

    def boxes(self, key: str) -> Doubles:
        """Returns a column (n, 4) float64 of finite numbers."""
        values = self._values(key)
        column = number_rows(values, 4)
        self._require(key, "four finite numbers", values, column is not None, _is_box)
        return np.zeros((0, 4)) if column is None else column

    def require_areas(self, key: str) -> None:
        """Raises InputError unless a column is of finite numbers that are not negative, missing or null."""
        known = [[value] for row in self.rows if (value := row.get(key)) is not None]
        finite = number_rows(known, 1)
        good = finite is not None and bool((finite >= 0).all())
        self._require(key, "a finite number of at least 0", [row.get(key) for row in self.rows], good, _is_area)

    def error(self, index: int, problem: str) -> InputError:
        """Returns an InputError about one row, named by its id, or by its number if it has none."""
        row = self.rows[index]
        name = f"id {quote_value(row['id']).strip(_QUOTES)}" if "id" in row else f"number {self._first + index + 1}"
        return InputError(f"{self._path}: {self._singular} {name}: {problem}")

    def _values(self, key: str) -> list[Any]:
        try:
            return [row[key] for row in self.rows]
        except KeyError:
            index = next(index for index, row in enumerate(self.rows) if key not in row)
            raise self.error(index, f"wanted a key {key!r}, got only {quote_value(sorted(self.rows[index]))}") from None

    def _require(
        self, key: str, wanted: str, values: Sequence[Any], good: bool, is_good: Callable[[Any], bool]
    ) -> None:
        """Raises InputError for the first value that is not good, unless all are known to be.

        key: the column.
        wanted: what a good value is, for the message.
        values: the column's values.
        good: whether all values are good, as far as a look at the whole column tells.
        is_good: the rule, for one value.
        """
        if good:
            return
        for index, value in enumerate(values):
            if not is_good(value):
                raise self._wrong(index, key, wanted)

    def _wrong(self, index: int, key: str, wanted: str) -> InputError:
        return self.error(index, f"{key}: wanted {wanted}, got {quote_value(self.rows[index].get(key))}")


def text_id(text: str) -> int:
    """Returns the number that stands for an id that is a text."""
    if len(text) <= MAX_DIGITS and text.isascii() and text.isdecimal() and str(int(text)) == text:
        return int(text)
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:TEXT_ID_BYTES], "big")


def id_array(values: Sequence[int]) -> Ints:
    """Returns whole numbers as an array (n,): int64, or object where one is larger than that."""
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array(values, dtype=object)


def places_of(ids: Ints, known: Ints) -> Ints:
    """Returns (n,) int64: the index of each of `ids` in `known`, which has no repeated ids; -1 if it is absent."""
    if not len(known):
        return np.full(len(ids), -1, dtype=np.int64)
    order = np.argsort(known)
    place = order[np.searchsorted(known, ids, sorter=order).clip(max=len(known) - 1)]
    return np.where(known[place] == ids, place, -1)


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_flag(value: object) -> bool:
    return value is None or (isinstance(value, int) and value >= 0)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_box(value: object) -> bool:
    return number_rows([value], 4) is not None


def _is_area(value: object) -> bool:
    return value is None or (number_rows([[value]], 1) is not None and value >= 0)  # type: ignore[operator]


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can hold
        return False
    return True


def _file_name(text: str) -> bytes:
    """Returns a name in the file system's encoding; empty for what cannot be one."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return b""
