"""The tables of a COCO JSON file as checked columns.

Whole columns are checked at once, and rows one by one only to name the culprit: COCO's train2017 has 860,000 objects.
"""

from __future__ import annotations

import gc
import json
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from mindrcnn.data.masks import Polygons
from mindrcnn.errors import InputError

Row = dict[str, Any]
Ints = npt.NDArray[np.int64]

TABLES = ("images", "annotations", "categories")


def load_tables(path: Path) -> dict[str, list[Row]]:
    """The three tables of the file, each a list of objects. Polygons are already compact: as lists of Python numbers
    they would take four times the memory. InputError: no file, not JSON, a table missing or no list of objects."""
    try:
        with path.open(encoding="utf-8") as file, _collector_paused():
            content = json.load(file, object_hook=_compact, parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such annotation file") from error
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise InputError(f"{path}: wanted a COCO annotation file, got one that is not JSON: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: wanted a JSON object with {', '.join(TABLES)}, got {_kind(content)}")
    for table in TABLES:
        _check_table(path, table, content)
    return {table: content[table] for table in TABLES}


class Columns:
    """One table, column by column; every error names the file and the row's id."""

    def __init__(self, *, path: Path, table: str, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._path = path
        self._singular = {"images": "image", "annotations": "annotation", "categories": "category"}[table]

    def __len__(self) -> int:
        return len(self.rows)

    def unique_ids(self) -> Ints:
        """The `id` column (n,) int64; InputError on a repeated one."""
        ids = self.whole_numbers("id")
        values, counts = np.unique(ids, return_counts=True)
        if len(values) < len(ids):
            repeated = values[counts > 1]
            raise InputError(
                f"{self._path}: wanted every {self._singular} id once, got {self._singular} id {repeated[0]} "
                f"{counts[counts > 1][0]} times ({len(repeated)} ids are repeated)"
            )
        return ids

    def whole_numbers(self, key: str, *, default: int | None = None, low: int | None = None) -> Ints:
        """A column of integers (n,) int64; `default` stands for a missing key, `low` is the least allowed value."""
        values = self._values(key, default)
        column = np.asarray(values) if values else np.zeros(0, dtype=np.int64)
        if column.ndim != 1 or column.dtype.kind not in "iub":
            self._blame(key, "a whole number", [_is_whole(value) for value in values])
        numbers = column.astype(np.int64)
        if low is not None and (numbers < low).any():
            self._blame(key, f"a whole number of at least {low}", (numbers >= low).tolist())
        return numbers

    def texts(self, key: str) -> list[str]:
        """A column of texts that are not empty."""
        values = self._values(key, None)
        good = [isinstance(value, str) and bool(value) for value in values]
        if not all(good):
            self._blame(key, "a text that is not empty", good)
        return values

    def boxes(self, key: str) -> npt.NDArray[np.float64]:
        """A column of four finite numbers (n, 4) float64."""
        values = self._values(key, None)
        try:
            column = np.asarray(values if values else np.zeros((0, 4)), dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            column = np.zeros(0)
        if column.shape != (len(values), 4) or not np.isfinite(column).all():
            self._blame(key, "four finite numbers", [_is_box(value) for value in values])
        return column

    def error(self, index: int, problem: str) -> InputError:
        """An InputError about one row: its id, or its place where it has none."""
        row = self.rows[index]
        name = f"id {row['id']}" if "id" in row else f"number {index + 1}"
        return InputError(f"{self._path}: {self._singular} {name}: {problem}")

    def _values(self, key: str, default: Any) -> list[Any]:
        if default is not None:
            return [row.get(key, default) for row in self.rows]
        try:
            return [row[key] for row in self.rows]
        except KeyError:
            index = next(index for index, row in enumerate(self.rows) if key not in row)
            raise self.error(index, f"wanted a key {key!r}, got only {sorted(self.rows[index])}") from None

    def _blame(self, key: str, wanted: str, good: Sequence[bool]) -> NoReturn:
        index = good.index(False)
        raise self.error(index, f"{key}: wanted {wanted}, got {_shown(self.rows[index].get(key))}")


def _check_table(path: Path, table: str, content: Row) -> None:
    if table not in content:
        raise InputError(f"{path}: wanted a key {table!r}, got only {sorted(content)}")
    rows = content[table]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: {table}: wanted a list of objects, got {_kind(rows)}")


def _compact(row: Row) -> Row:
    """Called by the parser for each JSON object: polygons become float32 arrays as soon as they are read."""
    parts = row.get("segmentation")
    if type(parts) is list and parts:
        try:
            row["segmentation"] = Polygons(tuple(array("f", part) for part in parts))
        except TypeError:
            return row  # what is wrong is said by the reader, which knows the annotation's id
    return row


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing that is being parsed can be garbage yet, and looking for it doubles the time of a large file."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _is_box(value: object) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return False
    return all(isinstance(number, (int, float)) and abs(number) < float("inf") for number in value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", type(None): "null"}
    return names.get(type(value), f"{value!r}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
