"""Reads the model zoo's TXT lists: one image a row, `path x1,y1,x2,y2,class x1,y1,x2,y2,class ...`, boxes only."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from mindrcnn.data.image_files import require_images
from mindrcnn.data.image_io import read_size
from mindrcnn.data.record import Dataset, clip_boxes, log_dropped
from mindrcnn.data.record_table import RecordTable
from mindrcnn.errors import InputError

ROW_FORM = "path x1,y1,x2,y2,class ..."

_Box = tuple[float, float, float, float]
_Row = tuple[str, list[_Box], list[int]]  # path, boxes, labels


def read_txt(*, annotations: Path, images: Path, classes: Sequence[str]) -> Dataset:
    """Image paths are relative to the folder `images`; a class is a name of `classes` or a number from 1 to K.

    An image's id is its line number. A row with a path alone is an image without objects; empty lines are skipped.
    Paths and class names have no spaces. Image sizes come from the files' headers (after EXIF rotation). InputError
    names file and line: too few numbers, no number, unknown class, an image listed twice or absent.
    """
    if not classes:
        raise InputError(f"{annotations}: a TXT list has no class names: wanted them in data.classes, got none")
    rows = _read_rows(annotations, {name: label for label, name in enumerate(classes, start=1)})
    if not rows.names:
        raise InputError(f"{annotations}: wanted rows of `{ROW_FORM}`, got an empty file")
    require_images(rows.names, folder=images, listed_in=annotations)
    sizes = np.array([read_size(images / name) for name in rows.names], dtype=np.int32)
    counts = np.array(rows.counts)
    image = np.repeat(np.arange(len(counts)), counts)
    boxes, usable = clip_boxes(np.array(rows.boxes).reshape(-1, 4), sizes[image])
    log_dropped(annotations, int((~usable).sum()), len(usable))
    kept = np.bincount(image[usable], minlength=len(counts))
    numbers = np.array(rows.numbers, dtype=np.int64)
    return Dataset(
        records=RecordTable(
            folder=images,
            names=np.array([os.fsencode(name) for name in rows.names]),
            image_ids=numbers,
            sizes=sizes,
            ends=np.cumsum(kept),
            boxes=boxes[usable],
            labels=np.array(rows.labels, dtype=np.int32)[usable],
            crowd=np.zeros(int(usable.sum()), dtype=bool),
            read_mask=_no_mask,
        ),
        classes=tuple(classes),
        category_ids=tuple(range(1, len(classes) + 1)),
        annotation_file=annotations,
        without_mask=array("q", numbers[kept > 0].tobytes()),
    )


def _no_mask(_: int) -> None:
    """The mask of every object of a list."""


@dataclass(frozen=True)
class _Rows:
    """The list as columns: for each image its line number, name and count of objects; all boxes and labels."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    names: list[str] = field(default_factory=list)
    counts: array[int] = field(default_factory=lambda: array("q"))
    boxes: array[float] = field(default_factory=lambda: array("d"))
    labels: array[int] = field(default_factory=lambda: array("l"))


def _read_rows(path: Path, class_labels: dict[str, int]) -> _Rows:
    rows = _Rows()
    first_line: dict[str, int] = {}
    for number, line in read_lines(path):
        image, boxes, labels = parse_row(path, number, line, class_labels)
        if image in first_line:
            raise InputError(f"{path}, line {number}: image {image} is listed already in line {first_line[image]}")
        first_line[image] = number
        rows.numbers.append(number)
        rows.names.append(image)
        rows.counts.append(len(labels))
        rows.boxes.extend(corner for box in boxes for corner in box)
        rows.labels.extend(labels)
    return rows


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
    """One line: image path, boxes and labels. InputError names file, line and item."""
    image, *objects = line.split()
    boxes, box_labels = [], []
    for item in objects:
        try:
            box, label = _parse_object(item, labels)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {item!r}: {error}") from error
        boxes.append(box)
        box_labels.append(label)
    return image, boxes, box_labels


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
