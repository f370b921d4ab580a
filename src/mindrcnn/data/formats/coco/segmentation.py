"""The masks of a COCO file: the meaning of an annotation's `segmentation`, and access to annotations in the file.

Masks are nine tenths of an annotation file. Kept in memory they would take that much in every training process; read
again for each image they take about 0.1 ms.
"""

from __future__ import annotations

import json
import math
import os
import weakref
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindrcnn.data.formats.coco.columns import Ints
from mindrcnn.data.masks import MIN_POLYGON_NUMBERS, Polygons, RunLengths, Segmentation, mask_size, run_lengths
from mindrcnn.data.record import Stated
from mindrcnn.errors import InputError

_decode = json.JSONDecoder().raw_decode  # of text alone, a third faster than json.loads of bytes
_BEYOND_FLOAT32 = "segmentation: wanted corners that are finite as 32-bit numbers, got others"


def parse_segmentation(stored: Any) -> Segmentation | None:
    """Returns the mask of an annotation, None if it has none. Raises ValueError that names the mistake.

    Polygons of fewer than three corners have no area and are dropped; that can leave none.
    """
    if not stored:
        return None
    if isinstance(stored, list):
        return _polygons(stored)
    if isinstance(stored, dict) and "counts" in stored and "size" in stored:
        return _run_lengths(stored)
    raise ValueError(
        "segmentation: wanted a list of polygons (x, y, x, y, ...) or an RLE with counts and size, got neither"
    )


def _polygons(stored: list[Any]) -> Polygons:
    try:
        parts = tuple([array("f", part) for part in stored])  # of a list, which takes less time than a generator
    except TypeError as error:
        raise ValueError("segmentation: wanted polygons of numbers x, y, x, y, ..., got something else") from error
    except OverflowError as error:
        raise ValueError(_BEYOND_FLOAT32) from error
    if not math.isfinite(sum(map(sum, parts))):  # of float32s, so that the sum itself cannot overflow
        raise ValueError(_BEYOND_FLOAT32)
    lengths = [len(part) for part in parts]
    if any(length % 2 for length in lengths):
        raise ValueError(f"segmentation: wanted polygons of x, y pairs, got {lengths} numbers")
    if min(lengths) >= MIN_POLYGON_NUMBERS:
        return Polygons(parts)
    return Polygons(tuple(part for part in parts if len(part) >= MIN_POLYGON_NUMBERS))


def _run_lengths(stored: dict[str, Any]) -> RunLengths:
    try:
        return run_lengths(*mask_size(stored["size"]), stored["counts"])
    except ValueError as error:
        raise ValueError(f"segmentation: {error}") from error


def state(row: Mapping[str, Any]) -> Stated:
    """Returns what a checked annotation says of its object."""
    return Stated(box=tuple(row["bbox"]), area=row.get("area"), segmentation=row.get("segmentation") or None)


class StoredAnnotations:
    """The annotations of an open file. `starts` and `lengths` (n,) int64: the bytes of each object's annotation.

    The file stays open, so that one that is replaced during training still gives what was read at first.
    """

    def __init__(self, *, path: Path, descriptor: int, starts: Ints, lengths: Ints) -> None:
        self._path = path
        self._file = os.dup(descriptor)
        weakref.finalize(self, os.close, self._file)
        self._starts = starts
        self._lengths = lengths

    def mask(self, place: int) -> Segmentation | None:
        """Returns the mask of one object. Raises InputError if the file has been overwritten."""
        try:
            return parse_segmentation(self._row(place).get("segmentation"))
        except ValueError as error:
            raise self._changed(place) from error

    def stated(self, place: int) -> Stated:
        """Returns what the file says of one object. Raises InputError if the file has been overwritten."""
        try:
            return state(self._row(place))
        except (KeyError, TypeError) as error:
            raise self._changed(place) from error

    def _row(self, place: int) -> dict[str, Any]:
        try:
            text = os.pread(self._file, int(self._lengths[place]), int(self._starts[place])).decode()
            row, end = _decode(text)
        except (OSError, ValueError) as error:
            raise self._changed(place) from error
        if not isinstance(row, dict) or end < len(text):
            raise self._changed(place)
        return row

    def _changed(self, place: int) -> InputError:
        return InputError(
            f"{self._path}: wanted the annotation at byte {self._starts[place]} as it was when the file was read, got "
            f"another: has the file changed since?"
        )
