"""The files of a report: the page, report.json, score thresholds, and the numbers in metrics.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.evaluation.coco.report import is_metrics
from mindrcnn.evaluation.json_files import read_json, write_json
from mindrcnn.outputs import COMMENT, Output
from mindrcnn.report.page import render_page
from mindrcnn.report.thresholds import write_thresholds
from mindrcnn.report.thumbnails import Thumbnails

PAGE, NUMBERS = "report.html", "report.json"
THRESHOLDS = {"best_f1": "score_best_f1.json", "for_precision": "score_precision.json"}
IMAGES = "report_images"  # folder for thumbnails that the page has no room for
METRICS = "metrics.json"  # of the evaluation in the same folder
IN_METRICS = "report"  # the key there


def report_outputs(folder: Path) -> list[Output]:
    """Returns the files that `write_report` writes into `folder`, those in IMAGES excepted."""
    return [Output(folder / name) for name in (PAGE, NUMBERS, *THRESHOLDS.values())]


def write_report(
    folder: Path, document: Mapping[str, Any], images: list[int], thumbnails: Thumbnails, *, force: bool = False
) -> None:
    """Writes the files of a report and, where the evaluation's metrics.json is there, its numbers into that.

    folder: the folder.
    document: the report (document.py).
    images: numbers of the images in its gallery.
    thumbnails: their copies, made.
    force: whether thumbnails may replace files of others.
    Raises InputError if a file cannot be written.
    """
    thumbnails.write(force=force)
    write_json(folder / NUMBERS, COMMENT | dict(document))
    for key, name in THRESHOLDS.items():
        measure = "best F1 at IoU 0.5" if key == "best_f1" else f"precision {document['precision']:g} at IoU 0.5"
        write_thresholds(folder / name, measure, document["thresholds"][key])
    gallery = document["gallery"]
    shown = [
        entry | {"thumb": thumbnails.links.get(image)} for entry, image in zip(gallery["images"], images, strict=True)
    ]
    write_text(folder / PAGE, render_page({**document, "gallery": {**gallery, "images": shown}}))
    add_to_metrics(folder / METRICS, document)


def add_to_metrics(path: Path, document: Mapping[str, Any]) -> None:
    """Adds the report's numbers to a metrics.json that an evaluation wrote; does nothing where there is none."""
    if paths.is_file(path) and is_metrics(path):
        numbers = {key: value for key, value in document.items() if key != "gallery"}
        write_json(path, {**read_json(path), IN_METRICS: numbers})
