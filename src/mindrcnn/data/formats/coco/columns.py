"""The tables of a COCO JSON file as checked columns, read in blocks of rows.

A column of a block is checked as a whole, and row by row only to name the bad row: COCO's train2017 has 860,000
objects.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from mindrcnn.data.formats.coco.json_stream import JsonStream, Member
from mindrcnn.errors import InputError
from mindrcnn.messages import kind_of, quote_value
from mindrcnn.untrusted.numbers import is_whole, number_rows, whole_column

Row = dict[str, Any]
Ints = npt.NDArray[np.int64]

SINGULAR = {"images": "image", "annotations": "annotation", "categories": "category"}
TABLES = tuple(SINGULAR)
BLOCK_ROWS = 4096
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

    Raises InputError: not JSON, or a table that is missing, repeated or not a list of objects.
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
        if keys.count(table) != 1:
            wanted = f"a key {table!r}" if table not in keys else f"one key {table!r}"
            raise InputError(f"{path}: wanted {wanted}, got only {quote_value(sorted(keys))}")


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

    def whole_numbers(
        self, key: str, *, default: int | None = None, low: int | None = None, high: int | None = None
    ) -> Ints:
        """Returns a column (n,) int64; `default` replaces a missing key, `low` and `high` are inclusive limits."""
        values = self._values(key, default)
        numbers = whole_column(values)
        if numbers is None:
            self._blame(key, "a whole number", [isinstance(value, bool) or is_whole(value) for value in values])
        if low is not None and (numbers < low).any():
            self._blame(key, f"a whole number of at least {low}", (numbers >= low).tolist())
        if high is not None and (numbers > high).any():
            self._blame(key, f"a whole number of at most {high}", (numbers <= high).tolist())
        return numbers

    def texts(self, key: str) -> list[str]:
        """Returns a column of strings that are not empty and can be written as UTF-8."""
        values = self._texts(key)
        if not "".join(values).isascii():
            good = [_is_unicode(value) for value in values]
            if not all(good):
                self._blame(key, "Unicode text", good)
        return values

    def file_names(self, key: str) -> list[bytes]:
        """Returns a column of texts that are not empty, in the file system's encoding."""
        names = [_file_name(value) for value in self._texts(key)]
        if not all(names):
            self._blame(key, "a file name", [bool(name) for name in names])
        return names

    def _texts(self, key: str) -> list[str]:
        values = self._values(key, None)
        good = [isinstance(value, str) and bool(value) for value in values]
        if not all(good):
            self._blame(key, "a text that is not empty", good)
        return values

    def boxes(self, key: str) -> npt.NDArray[np.float64]:
        """Returns a column (n, 4) float64 of finite numbers."""
        values = self._values(key, None)
        column = number_rows(values, 4)
        if column is None:
            self._blame(key, "four finite numbers", [number_rows([value], 4) is not None for value in values])
        return column

    def error(self, index: int, problem: str) -> InputError:
        """Returns an InputError about one row, named by its id, or by its number if it has none."""
        row = self.rows[index]
        name = f"id {quote_value(row['id']).strip(_QUOTES)}" if "id" in row else f"number {self._first + index + 1}"
        return InputError(f"{self._path}: {self._singular} {name}: {problem}")

    def _values(self, key: str, default: Any) -> list[Any]:
        if default is not None:
            return [row.get(key, default) for row in self.rows]
        try:
            return [row[key] for row in self.rows]
        except KeyError:
            index = next(index for index, row in enumerate(self.rows) if key not in row)
            raise self.error(index, f"wanted a key {key!r}, got only {quote_value(sorted(self.rows[index]))}") from None

    def _blame(self, key: str, wanted: str, good: Sequence[bool]) -> NoReturn:
        index = good.index(False)
        raise self.error(index, f"{key}: wanted {wanted}, got {quote_value(self.rows[index].get(key))}")


def require_unique(path: Path, table: str, ids: Ints) -> None:
    """Raises InputError that names the first repeated id, if there is one."""
    values, counts = np.unique(ids, return_counts=True)
    if len(values) < len(ids):
        repeated, singular = values[counts > 1], SINGULAR[table]
        raise InputError(
            f"{path}: wanted every {singular} id once, got {singular} id {repeated[0]} {counts[counts > 1][0]} times "
            f"({len(repeated)} ids are repeated)"
        )


def places_of(ids: Ints, known: Ints) -> Ints:
    """Returns (n,) int64: the index of each of `ids` in `known`, which has no repeated ids; -1 if it is absent."""
    if not len(known):
        return np.full(len(ids), -1, dtype=np.int64)
    order = np.argsort(known)
    place = order[np.searchsorted(known, ids, sorter=order).clip(max=len(known) - 1)]
    return np.where(known[place] == ids, place, -1)


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
