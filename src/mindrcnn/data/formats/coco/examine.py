"""Examination of a COCO file, which reports every mistake; reading stops at the first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mindrcnn import paths
from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.formats.coco.annotations import Annotations, check_annotations
from mindrcnn.data.formats.coco.presence import present_tables
from mindrcnn.data.formats.coco.tables import Mask, read_tables
from mindrcnn.data.survey import Survey
from mindrcnn.errors import InputError


def examine_coco(
    *,
    annotations: Path,
    images: Path,
    classes: Sequence[str],
    ignore_other_categories: bool,
    needs_masks: bool,
    findings: Findings,
    skip_missing: bool = False,
) -> Survey:
    """Returns the numbers of the usable images and objects. Raises InputError if the file cannot be read.

    See DataFormat.examine for the parameters.
    """
    with paths.open_file(annotations, "annotation file") as file:
        return examine_opened(
            annotations,
            file,
            images=images,
            classes=classes,
            ignore_other_categories=ignore_other_categories,
            needs_masks=needs_masks,
            findings=findings,
            skip_missing=skip_missing,
        )


def examine_opened(
    path: Path,
    file: BinaryIO,
    *,
    images: Path,
    classes: Sequence[str],
    ignore_other_categories: bool,
    needs_masks: bool,
    findings: Findings,
    skip_missing: bool,
) -> Survey:
    """Examines an open file of COCO JSON as `examine_coco` does; `path` is its name in messages."""

    def malformed(error: InputError) -> None:
        findings.add(Kind.MALFORMED, str(error).removeprefix(f"{path}: "))

    try:
        tables = read_tables(path, file, malformed=malformed)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    tables = present_tables(tables, folder=images, skip_missing=skip_missing, findings=findings)
    pictures = tables.pictures
    checked = check_annotations(
        tables, classes=classes, ignore_other_categories=ignore_other_categories, findings=findings
    )
    used = _examine_shapes(checked, findings, needs_masks=needs_masks)
    return Survey(
        source=path,
        names=[os.fsdecode(name) for name in pictures.names],
        sizes=pictures.sizes,
        image=checked.image[used],
        boxes=checked.boxes[used],
        labels=checked.labels[used].astype(np.int64),
        crowd=checked.crowd[used],
        classes=checked.classes.classes,
        category_ids=checked.classes.category_ids,
    )


def _examine_shapes(checked: Annotations, findings: Findings, *, needs_masks: bool) -> np.ndarray:
    """Returns (m,) whether the model can use each object; adds those that lack a shape, or parts of one."""
    ids, shapeless = checked.ids, checked.shapeless

    def report(kind: Kind, where: np.ndarray, problem: str) -> None:
        places = np.flatnonzero(where)
        findings.add_all(kind, (f"annotation id {ids[place]}: {problem}" for place in places), len(places))

    outcome = "and so the object" if needs_masks else "but its box is used"
    report(Kind.FEW_CORNERS, shapeless, f"all of its polygons, {outcome}")
    partly = checked.tables.objects.masks[checked.rows] == Mask.PARTLY_EMPTY
    report(Kind.FEW_CORNERS, partly, "some of its polygons")
    if not needs_masks:
        return np.ones(len(ids), dtype=bool)
    report(Kind.NO_MASK, checked.without_mask, "no segmentation")
    return ~shapeless
