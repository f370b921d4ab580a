"""Evaluation results for people (tables) and for programs (metrics.json)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mindrcnn.atomic import write_text
from mindrcnn.evaluation.coco.metrics import IouType, Metrics, percent
from mindrcnn.evaluation.json_files import write_json
from mindrcnn.outputs import read_head

TITLES: dict[IouType, str] = {"bbox": "boxes (bbox)", "segm": "masks (segm)", "boundary": "mask boundaries (boundary)"}
SHORT_TITLES: dict[IouType, str] = {"bbox": "box", "segm": "mask", "boundary": "boundary"}


def summary_text(evaluations: Sequence[Metrics]) -> str:
    """Formats COCO's table of each evaluation under a heading."""
    return "\n\n".join(
        f"{TITLES[metrics.iou_type]}, {images_text(metrics)}, "
        f"{sum(one.objects for one in metrics.per_class)} objects\n{metrics.table}"
        for metrics in evaluations
    )


def images_text(metrics: Metrics) -> str:
    """Says how many images were evaluated, and of how many if that is not the whole split."""
    if not metrics.split_images:
        return f"{metrics.images} images"
    return f"first {metrics.images} of {metrics.split_images} images (eval.limit)"


def per_class_text(evaluations: Sequence[Metrics]) -> str:
    """Formats one line per class: name, AP and AP50 of each evaluation in percent ('-' for none), number of objects."""
    header = ["class"]
    for metrics in evaluations:
        header += [f"{SHORT_TITLES[metrics.iou_type]} AP", f"{SHORT_TITLES[metrics.iou_type]} AP50"]
    rows = [[*header, "objects"]]
    for classes in zip(*(metrics.per_class for metrics in evaluations), strict=True):
        numbers = [percent(value) for one in classes for value in (one.ap, one.ap50)]
        first, *_ = classes  # the name and the number of objects are the same in all evaluations
        rows.append([first.name, *numbers, str(first.objects)])
    return _align(rows)


def tables_text(evaluations: Sequence[Metrics]) -> str:
    """Formats COCO's tables and the classes below them."""
    return f"{summary_text(evaluations)}\n\n{per_class_text(evaluations)}"


def write_tables(path: Path, evaluations: Sequence[Metrics]) -> None:
    """Writes the tables as text. Raises InputError if they cannot be written."""
    write_text(path, f"{tables_text(evaluations)}\n")


def is_tables(path: Path) -> bool:
    """Says whether a file looks as `write_tables` writes it."""
    return (
        re.match(rb"boxes \(bbox\), (first \d+ of )?\d+ images( \(eval\.limit\))?, \d+ objects\n", read_head(path))
        is not None
    )


def metrics_document(evaluations: Sequence[Metrics]) -> dict[str, Any]:
    """Returns the content of metrics.json: the twelve metrics of each evaluation (bbox, segm, boundary), 0..1 or -1 for
    none, and those of each class."""
    return {
        metrics.iou_type: {
            **metrics.stats,
            "images": metrics.images,
            **({"split_images": metrics.split_images} if metrics.split_images else {}),
            "per_class": [asdict(one) for one in metrics.per_class],
        }
        for metrics in evaluations
    }


def write_metrics(path: Path, evaluations: Sequence[Metrics], *, extra: Mapping[str, Any] | None = None) -> None:
    """Writes metrics.json atomically, with `extra` (checkpoint, split, ...). Raises InputError if it cannot."""
    write_json(path, {**(extra or {}), **metrics_document(evaluations)})


def is_metrics(path: Path) -> bool:
    """Says whether a file looks as `write_metrics` writes it; its members are kinds of evaluation alone."""
    return re.match(rb'\{.{0,1000}?"(bbox|segm|boundary)": \{"AP": ', read_head(path)) is not None


def _align(rows: Sequence[Sequence[str]]) -> str:
    """Pads cells to columns, the first flush left and the others flush right, with a rule under the header."""
    name_width, *widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *numbers in rows:
        cells = [name.ljust(name_width), *(cell.rjust(width) for cell, width in zip(numbers, widths, strict=True))]
        lines.append("  ".join(cells))
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)
