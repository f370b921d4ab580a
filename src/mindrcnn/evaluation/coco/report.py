"""Evaluation results for people (tables) and for programs (metrics.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mindrcnn.evaluation.coco.metrics import NOTHING_TO_FIND, IouType, Metrics
from mindrcnn.evaluation.json_files import write_json

TITLES: dict[IouType, str] = {"bbox": "boxes (bbox)", "segm": "masks (segm)", "boundary": "mask boundaries (boundary)"}
SHORT_TITLES: dict[IouType, str] = {"bbox": "box", "segm": "mask", "boundary": "boundary"}


def summary_text(evaluations: Sequence[Metrics]) -> str:
    """COCO's table of each evaluation under a heading."""
    return "\n\n".join(
        f"{TITLES[metrics.iou_type]}, {metrics.images} images, "
        f"{sum(one.objects for one in metrics.per_class)} objects\n{metrics.table}"
        for metrics in evaluations
    )


def per_class_text(evaluations: Sequence[Metrics]) -> str:
    """One line a class: name, AP and AP50 in percent of each evaluation, number of objects ('-' where none)."""
    header = ["class"]
    for metrics in evaluations:
        header += [f"{SHORT_TITLES[metrics.iou_type]} AP", f"{SHORT_TITLES[metrics.iou_type]} AP50"]
    rows = [[*header, "objects"]]
    for classes in zip(*(metrics.per_class for metrics in evaluations), strict=True):
        numbers = [_percent(value) for one in classes for value in (one.ap, one.ap50)]
        rows.append([classes[0].name, *numbers, str(classes[0].objects)])
    return _aligned(rows)


def metrics_document(evaluations: Sequence[Metrics]) -> dict[str, Any]:
    """What metrics.json holds: by evaluation (bbox, segm, boundary) the twelve numbers, 0..1 or -1 for none, and the
    classes."""
    return {
        metrics.iou_type: {
            **metrics.stats,
            "images": metrics.images,
            "per_class": [asdict(one) for one in metrics.per_class],
        }
        for metrics in evaluations
    }


def write_metrics(path: Path, evaluations: Sequence[Metrics], *, extra: Mapping[str, Any] | None = None) -> None:
    """Writes metrics.json in one step; `extra` (checkpoint, split, ...) joins the document. InputError if it cannot."""
    write_json(path, {**(extra or {}), **metrics_document(evaluations)})


def _percent(value: float) -> str:
    return "-" if value == NOTHING_TO_FIND else f"{100 * value:.1f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first flush left, the others flush right, a rule under the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells))
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)
