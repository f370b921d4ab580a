"""The beginning of a JSON file, by which its format is recognised."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from mindrcnn import paths
from mindrcnn.data.formats.coco.json_stream import WINDOW, JsonStream

COCO_TABLES = {"images", "annotations"}
KEPT = 8  # beginnings that are remembered; each may take a few times WINDOW


@dataclass(frozen=True)
class JsonHead:
    """The members of an object that begin in the first bytes of a file, or the first element of a list.

    values: each member's value, of a list its first element; None for an empty list.
    element: the first element, if the file is a list.
    """

    values: dict[str, Any] = field(default_factory=dict)
    is_list: bool = False
    element: Any = None

    def row(self, key: str) -> dict[str, Any]:
        """Returns the object that a member is or begins with; empty if it is something else."""
        value = self.values.get(key)
        return value if isinstance(value, dict) else {}


class _Beginning:
    """The first WINDOW bytes of a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = WINDOW

    def read(self, size: int) -> bytes:
        piece = self._file.read(min(size, self._left))
        self._left -= len(piece)
        return piece


def read_json_head(path: Path) -> JsonHead | None:
    """Returns the beginning of a file; None if it does not begin as a JSON object or list."""
    return _read(path, paths.state(path))


@functools.lru_cache(KEPT)
def _read(path: Path, state: tuple[int, ...]) -> JsonHead | None:
    """Reads a beginning once for each state of the file: all formats ask for it, whenever a split is looked for."""
    with paths.open_file(path) as file:
        stream = JsonStream(cast(BinaryIO, _Beginning(file)))
        head = JsonHead()
        try:
            if stream.is_list():
                return JsonHead(is_list=True, element=next(_values(stream), None))
            if not stream.is_object():
                return None
            for member in stream.members():
                elements = member.elements
                value = member.value if elements is None else next((one.value for one in islice(elements, 1)), None)
                head.values[member.key] = value
                if set(head.values) >= COCO_TABLES:  # no format is recognised by what comes after them
                    break
        except (ValueError, RecursionError, OSError):  # the end of the beginning, or no JSON
            pass
    return head if head.values else None


def _values(stream: JsonStream) -> Iterator[Any]:
    for element in stream.elements():
        yield element.value
