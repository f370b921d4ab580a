"""Examines a TXT list, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mindrcnn.data.doctor.boxes import examine_boxes
from mindrcnn.data.doctor.findings import Findings, Kind
from mindrcnn.data.doctor.survey import Survey
from mindrcnn.data.image_files import missing_images
from mindrcnn.data.image_io import read_size
from mindrcnn.data.txt_list import parse_row, read_lines
from mindrcnn.errors import InputError


def examine_txt(
    *, annotations: Path, images: Path, classes: Sequence[str], needs_masks: bool, findings: Findings
) -> Survey:
    """Adds to `findings`; returns the numbers of what is sound. InputError where the file as a whole cannot be read."""
    if not classes:
        findings.add(Kind.CLASSES, "a TXT list has no class names: wanted them in data.classes, got none")
    class_labels = {name: label for label, name in enumerate(classes, start=1)}
    names: dict[str, int] = {}  # image -> line
    lines: list[int] = []  # of each object
    of_image: list[int] = []
    boxes: list[tuple[float, float, float, float]] = []
    labels: list[int] = []
    for number, line in read_lines(annotations):
        try:
            name, row_boxes, row_labels = parse_row(annotations, number, line, class_labels)
        except InputError as error:
            findings.add(Kind.MALFORMED, str(error).removeprefix(f"{annotations}, "))
            continue
        if name in names:
            findings.add(Kind.REPEATED, f"line {number}: {name}, as in line {names[name]}")
            continue
        lines += [number] * len(row_boxes)
        of_image += [len(names)] * len(row_boxes)
        names[name] = number
        boxes += row_boxes
        labels += row_labels
    sizes = _sizes(list(names), images, findings)
    image = np.array(of_image, dtype=np.int64)
    known = np.flatnonzero(sizes[image].min(axis=1) > 0) if len(image) else image
    clipped, usable = examine_boxes(
        np.array(boxes, dtype=np.float64).reshape(-1, 4)[known],
        sizes[image[known]],
        findings,
        name_of=lambda place: f"line {lines[known[place]]}",
    )
    used = known[usable]
    if needs_masks and len(used):
        findings.add_all(Kind.NO_MASK, ["a TXT list has boxes only"], len(used))
    return Survey(
        source=annotations,
        names=list(names),
        sizes=sizes,
        image=image[used],
        boxes=clipped[usable],
        labels=np.array(labels, dtype=np.int64)[used],
        crowd=np.zeros(len(used), dtype=bool),
        classes=tuple(classes),
        category_ids=tuple(range(1, len(classes) + 1)),
    )


def _sizes(names: Sequence[str], images: Path, findings: Findings) -> np.ndarray:
    """(n, 2) from the files' headers; 0 where there is no readable one."""
    missing = set(missing_images(names, folder=images))
    findings.add_all(Kind.MISSING, (str(images / name) for name in names if name in missing), len(missing))
    sizes = np.zeros((len(names), 2), dtype=np.int32)
    for place, name in enumerate(names):
        if name in missing:
            continue
        try:
            sizes[place] = read_size(images / name)
        except InputError as error:
            findings.add(Kind.UNREADABLE, str(error))
    return sizes
