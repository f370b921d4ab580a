"""Tables for a spreadsheet: a row for each object, or the number of objects of each class in each image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mindrcnn.atomic import replacing
from mindrcnn.evaluation.coco.results import rounded_xywh, shortest
from mindrcnn.outputs import Output, read_head
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan

OBJECTS, COUNTS = "predictions.csv", "counts.csv"
IMAGE = ("file", "frame", "seconds")
OBJECT = ("object", "class", "category_id", "score", "x_min", "y_min", "width", "height", "mask_area")
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # and their full-width forms; as OWASP lists them


def _is_table(path: Path, start: tuple[str, ...]) -> bool:
    return read_head(path).startswith(",".join(start).encode())


class ObjectTable:
    """predictions.csv: a row for each object."""

    replays = True

    def __init__(self, plan: Plan) -> None:
        self._path = plan.file(OBJECTS)

    def outputs(self) -> Iterable[Output]:
        """Returns the table."""
        return [Output(self._path, lambda path: _is_table(path, IMAGE + OBJECT))]

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Writes the table."""
        with replacing(self._path) as temporary, _open_table(temporary) as file:
            file.write(_line(IMAGE + OBJECT))
            yield lambda found: file.writelines(map(_line, _rows(found, classes)))


class CountTable:
    """counts.csv: a row for each image, a column for each class, and their sum."""

    replays = True

    def __init__(self, plan: Plan) -> None:
        self._path = plan.file(COUNTS)

    def outputs(self) -> Iterable[Output]:
        """Returns the table."""
        return [Output(self._path, lambda path: _is_table(path, (*IMAGE, "objects")))]

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Writes the table."""
        with replacing(self._path) as temporary, _open_table(temporary) as file:
            file.write(_line((*IMAGE, "objects", *map(_text, classes.names))))

            def add(found: Found) -> None:
                labels = found.detections.labels.tolist()
                counts = [labels.count(label) for label in range(1, len(classes.names) + 1)]
                file.write(_line((*_image_cells(found), len(labels), *counts)))

            yield add


def _open_table(path: Path) -> TextIO:
    return open(path, "w", encoding="utf-8", errors="surrogateescape", newline="")


def _line(cells: Iterable[object]) -> str:
    return ",".join(map(str, cells)) + "\n"


def _text(text: str) -> str:
    """Returns a cell for a name of a stranger, which a spreadsheet must not take for a formula or several cells."""
    escaped = text.replace('"', '""')
    return f'"\'{escaped}"' if text.startswith(FORMULA_STARTS) else f'"{escaped}"'


def _image_cells(found: Found) -> tuple[object, ...]:
    return (
        _text(found.name),
        "" if found.frame is None else found.frame,
        "" if found.seconds is None else found.seconds,
    )


def _rows(found: Found, classes: Classes) -> Iterator[tuple[object, ...]]:
    detections = found.detections
    areas: list[Any] = [""] * len(detections) if detections.rle is None else detections.mask_areas
    for number, (box, label, score, area) in enumerate(
        zip(
            rounded_xywh(detections.boxes),
            detections.labels.tolist(),
            shortest(detections.scores),
            areas,
            strict=True,
        ),
        start=1,
    ):
        yield (*_image_cells(found), number, _text(classes.names[label - 1]), classes.ids[label - 1], score, *box, area)
