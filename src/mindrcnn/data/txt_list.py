"""Reads the model zoo's TXT lists: one image a row, `path x1,y1,x2,y2,class x1,y1,x2,y2,class ...`, boxes only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from mindrcnn.data.image_files import require_images
from mindrcnn.data.image_io import read_size
from mindrcnn.data.record import Dataset, Record, clip_boxes, log_dropped
from mindrcnn.errors import InputError

ROW_FORM = "path x1,y1,x2,y2,class ..."

_Box = tuple[float, float, float, float]
_Row = tuple[int, str, list[_Box], list[int]]  # line number, path, boxes, labels


def read_txt(*, annotations: Path, images: Path, classes: Sequence[str]) -> Dataset:
    """Image paths are relative to the folder `images`; a class is a name of `classes` or a number from 1 to K.

    An image's id is its line number. A row with a path alone is an image without objects; empty lines are skipped.
    Paths and class names have no spaces. Image sizes come from the files' headers (after EXIF rotation). InputError
    names file and line: too few numbers, no number, unknown class, an image listed twice or absent.
    """
    if not classes:
        raise InputError(f"{annotations}: a TXT list has no class names: wanted them in data.classes, got none")
    labels = {name: label for label, name in enumerate(classes, start=1)}
    rows = [parse_row(annotations, number, line, labels) for number, line in read_lines(annotations)]
    if not rows:
        raise InputError(f"{annotations}: wanted rows of `{ROW_FORM}`, got an empty file")
    _require_unique(annotations, rows)
    paths = [images / path for _, path, _, _ in rows]
    require_images([path for _, path, _, _ in rows], folder=images, listed_in=annotations)
    kept = [_record(row, path) for row, path in zip(rows, paths, strict=True)]
    total, used = sum(len(row[2]) for row in rows), sum(len(record.labels) for record in kept)
    log_dropped(annotations, total - used, total)
    return Dataset(
        records=tuple(kept),
        classes=tuple(classes),
        category_ids=tuple(range(1, len(classes) + 1)),
        annotation_file=annotations,
        without_mask=tuple(record.image_id for record in kept if len(record.labels)),
    )


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Number and text of every line that is not empty. InputError: no file, or no UTF-8."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such annotation file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: wanted a text file in UTF-8: {error}") from error
    return [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def parse_row(path: Path, number: int, line: str, labels: dict[str, int]) -> _Row:
    """One line: its number, image path, boxes and labels. InputError names file, line and item."""
    image, *objects = line.split()
    boxes, box_labels = [], []
    for item in objects:
        try:
            box, label = _parse_object(item, labels)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {item!r}: {error}") from error
        boxes.append(box)
        box_labels.append(label)
    return number, image, boxes, box_labels


def _parse_object(item: str, labels: dict[str, int]) -> tuple[_Box, int]:
    fields = item.split(",")
    if len(fields) != 5:
        raise ValueError(f"wanted five values x1,y1,x2,y2,class, got {len(fields)}")
    *corners, class_name = fields
    try:
        x1, y1, x2, y2 = (float(corner) for corner in corners)
    except ValueError:
        raise ValueError(f"wanted numbers x1,y1,x2,y2, got {','.join(corners)}") from None
    if not all(math.isfinite(corner) for corner in (x1, y1, x2, y2)):
        raise ValueError("wanted finite numbers x1,y1,x2,y2")
    return (x1, y1, x2, y2), _label(class_name, labels)


def _label(text: str, labels: dict[str, int]) -> int:
    if text in labels:
        return labels[text]
    if text.isdecimal() and 1 <= int(text) <= len(labels):
        return int(text)
    near = get_close_matches(text, labels, n=3, cutoff=0.5)
    hint = f" (nearest: {', '.join(near)})" if near else ""
    raise ValueError(f"wanted a class name or a number from 1 to {len(labels)}, got {text!r}{hint}")


def _require_unique(path: Path, rows: Sequence[_Row]) -> None:
    first_line: dict[str, int] = {}
    for number, image, _, _ in rows:
        if image in first_line:
            raise InputError(f"{path}, line {number}: image {image} is listed already in line {first_line[image]}")
        first_line[image] = number


def _record(row: _Row, path: Path) -> Record:
    number, _, boxes, labels = row
    height, width = read_size(path)
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    clipped, usable = clip_boxes(corners, np.tile([[height, width]], (len(boxes), 1)))
    kept = np.flatnonzero(usable)
    return Record(
        image_id=number,
        path=path,
        height=height,
        width=width,
        boxes=clipped[kept],
        labels=np.array(labels, dtype=np.int32)[kept],
        crowd=np.zeros(len(kept), dtype=bool),
        segmentations=(None,) * len(kept),
    )
