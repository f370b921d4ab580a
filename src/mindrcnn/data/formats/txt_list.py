"""The model zoo's TXT lists: one image per row, `path x1,y1,x2,y2,class x1,y1,x2,y2,class ...`, boxes only."""

from __future__ import annotations

import logging
import math
import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from mindrcnn import paths
from mindrcnn.data.findings import Findings, Kind, examine_boxes
from mindrcnn.data.formats.image_files import examination_of_files, missing_images, require_images
from mindrcnn.data.formats.layout import SplitFiles, find_split
from mindrcnn.data.image_io import read_size
from mindrcnn.data.record import Dataset, clip_boxes, log_dropped
from mindrcnn.data.record_table import RecordTable
from mindrcnn.data.survey import Examination, Survey
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

ROW_FORM = "path x1,y1,x2,y2,class ..."

_Box = tuple[float, float, float, float]
_Row = tuple[str, list[_Box], list[int]]  # path, boxes, labels


class TxtFormat:
    """A text file with one image per row, beside a folder of images."""

    name = "txt"
    has_masks = False
    needs_annotations = "the TXT list's path"

    def locate(self, *, root: Path, name: str, annotations: str, images: str) -> SplitFiles:
        """Returns the list and its image folder, which is `name` if `images` is empty."""
        return find_split(root=root, name=name, annotations=annotations, images=images)

    def read(self, files: SplitFiles, *, classes: Sequence[str], ignore_other_categories: bool) -> Dataset:
        """Reads the list; it has no other categories that could be ignored."""
        return read_txt(
            annotations=files.annotations, images=files.images, classes=classes, skip_missing=files.skip_missing
        )

    def examine(
        self,
        files: SplitFiles,
        *,
        classes: Sequence[str],
        ignore_other_categories: bool,
        needs_masks: bool,
        findings: Findings,
    ) -> Examination:
        """Examines rows and images."""
        survey = examine_txt(
            annotations=files.annotations,
            images=files.images,
            classes=classes,
            needs_masks=needs_masks,
            findings=findings,
            skip_missing=files.skip_missing,
        )
        return examination_of_files(survey, folder=files.images)


def read_txt(*, annotations: Path, images: Path, classes: Sequence[str], skip_missing: bool = False) -> Dataset:
    """Returns the images of a list. Paths are relative to `images`; a class is a name of `classes` or a number 1..K.

    An image's id is its line number. A row with a path alone is an image without objects; empty lines are skipped.
    Paths and class names have no spaces. Image sizes come from the files' headers (after EXIF rotation). Raises
    InputError that names file and line for a wrong count of numbers, text in place of a number, an unknown class, and
    an image that is listed twice or, unless `skip_missing` leaves them out, absent.
    """
    if not classes:
        raise InputError(f"{annotations}: a TXT list has no class names: wanted them in data.classes, got none")
    rows = _read_rows(annotations, {name: label for label, name in enumerate(classes, start=1)})
    if not rows.names:
        raise InputError(f"{annotations}: wanted rows of `{ROW_FORM}`, got an empty file")
    if skip_missing:
        rows = _without_absent(rows, images, annotations)
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
    """Returns None, because the objects of a list have no masks."""


@dataclass(frozen=True)
class _Rows:
    """The list as columns: for each image its line number, name and count of objects; all boxes and labels."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    names: list[str] = field(default_factory=list)
    counts: array[int] = field(default_factory=lambda: array("q"))
    boxes: array[float] = field(default_factory=lambda: array("d"))
    labels: array[int] = field(default_factory=lambda: array("l"))

    def append(self, number: int, row: _Row) -> None:
        """Adds the row of a line."""
        name, boxes, labels = row
        self.numbers.append(number)
        self.names.append(name)
        self.counts.append(len(labels))
        self.boxes.extend(corner for box in boxes for corner in box)
        self.labels.extend(labels)


def _read_rows(path: Path, class_labels: dict[str, int]) -> _Rows:
    rows = _Rows()
    first_line: dict[str, int] = {}
    for number, line in read_lines(path):
        row = parse_row(path, number, line, class_labels)
        if row[0] in first_line:
            raise InputError(f"{path}, line {number}: image {row[0]} is listed already in line {first_line[row[0]]}")
        first_line[row[0]] = number
        rows.append(number, row)
    return rows


def _without_absent(rows: _Rows, images: Path, path: Path) -> _Rows:
    """Returns the rows whose images exist, or all of them if none does; logs how many others there are."""
    absent = set(missing_images(rows.names, folder=images))
    if not absent or len(absent) == len(rows.names):
        return rows
    logger.warning("%s: %d of %d listed images are absent and left out", path, len(absent), len(rows.names))
    kept, start = _Rows(), 0
    for number, name, count in zip(rows.numbers, rows.names, rows.counts, strict=True):
        if name not in absent:
            kept.numbers.append(number)
            kept.names.append(name)
            kept.counts.append(count)
            kept.boxes.extend(rows.boxes[4 * start : 4 * (start + count)])
            kept.labels.extend(rows.labels[start : start + count])
        start += count
    return kept


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Returns number and text of every non-empty line. Raises InputError if there is no file or it is not UTF-8."""
    text = paths.read_text(path, "annotation file", encoding="utf-8-sig")
    return [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def parse_row(path: Path, number: int, line: str, labels: dict[str, int]) -> _Row:
    """Returns image path, boxes and labels of one line. Raises InputError that names file, line and item."""
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


def examine_txt(
    *,
    annotations: Path,
    images: Path,
    classes: Sequence[str],
    needs_masks: bool,
    findings: Findings,
    skip_missing: bool = False,
) -> Survey:
    """Returns the numbers of the usable images and objects. Raises InputError if the file cannot be read.

    annotations: the list.
    images: folder that image names are relative to.
    classes: class names in the order of the labels.
    needs_masks: whether objects are errors because a list has no masks.
    findings: receives every mistake.
    skip_missing: whether absent images are left out instead of an error.
    """
    if not classes:
        findings.add(Kind.CLASSES, "a TXT list has no class names: wanted them in data.classes, got none")
    rows = _examine_rows(annotations, {name: label for label, name in enumerate(classes, start=1)}, findings)
    absent = Kind.SKIPPED if skip_missing else Kind.MISSING
    sizes = _sizes(rows.names, images, findings, absent)
    image = np.repeat(np.arange(len(rows.names)), np.array(rows.counts))
    known = np.flatnonzero(sizes[image].min(axis=1) > 0) if len(image) else image
    clipped, usable = examine_boxes(
        np.array(rows.boxes).reshape(-1, 4)[known],
        sizes[image[known]],
        findings,
        name_of=lambda place: f"line {rows.numbers[image[known[place]]]}",
    )
    used = known[usable]
    if needs_masks and len(used):
        findings.add_all(Kind.NO_MASK, ["a TXT list has boxes only"], len(used))
    return Survey(
        source=annotations,
        names=rows.names,
        sizes=sizes,
        image=image[used],
        boxes=clipped[usable],
        labels=np.array(rows.labels, dtype=np.int64)[used],
        crowd=np.zeros(len(used), dtype=bool),
        classes=tuple(classes),
        category_ids=tuple(range(1, len(classes) + 1)),
    )


def _examine_rows(path: Path, class_labels: dict[str, int], findings: Findings) -> _Rows:
    """Returns the rows without mistakes; `findings` receives the others."""
    rows = _Rows()
    first_line: dict[str, int] = {}
    for number, line in read_lines(path):
        try:
            row = parse_row(path, number, line, class_labels)
        except InputError as error:
            findings.add(Kind.MALFORMED, str(error).removeprefix(f"{path}, "))
            continue
        if row[0] in first_line:
            findings.add(Kind.REPEATED, f"line {number}: {row[0]}, as in line {first_line[row[0]]}")
            continue
        first_line[row[0]] = number
        rows.append(number, row)
    return rows


def _sizes(names: Sequence[str], images: Path, findings: Findings, absent: Kind) -> np.ndarray:
    """Returns (n, 2) int32 (h, w) from the files' headers; 0 if there is no readable file. `absent`: kind of those."""
    missing = set(missing_images(names, folder=images))
    findings.add_all(absent, (str(images / name) for name in names if name in missing), len(missing))
    sizes = np.zeros((len(names), 2), dtype=np.int32)
    for place, name in enumerate(names):
        if name in missing:
            continue
        try:
            sizes[place] = read_size(images / name)
        except InputError as error:
            findings.add(Kind.UNREADABLE, str(error))
    return sizes
