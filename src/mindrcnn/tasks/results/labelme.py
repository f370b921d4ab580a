"""labelme's files: a JSON file for each image, to correct in labelme or to train on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mindrcnn.evaluation.json_files import write_json
from mindrcnn.outputs import COMMENT, Output
from mindrcnn.tasks.results.copies import image_file, relative_name
from mindrcnn.tasks.results.own_folder import own_folder
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan
from mindrcnn.tasks.results.shapes import Outlined, outlined_objects

FOLDER = "labelme"
VERSION = "5.0.1"  # of labelme, whose later versions read its files without a warning


class Labelme:
    """A folder of JSON files; frames and downloads lie beside theirs, other images stay where they are."""

    replays = False

    def __init__(self, plan: Plan) -> None:
        self._folder = plan.folder / FOLDER
        self._force = plan.force

    def outputs(self) -> Iterable[Output]:
        """Returns nothing that is named in advance, after a look at the folder."""
        return own_folder(self._folder, force=self._force)

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Writes a file an image."""

        def add(found: Found) -> None:
            image = relative_name(image_file(found, self._folder), self._folder)
            write_json(self._folder / f"{found.title}.json", _document(found, classes, image))

        yield add


def _document(found: Found, classes: Classes, image: str) -> dict[str, Any]:
    height, width = found.detections.image_size
    shapes = [
        shape
        for number, one in enumerate(outlined_objects(found.detections), start=1)
        for shape in _shapes(one, classes.names[one.label - 1], number)
    ]
    size = {"imageHeight": height, "imageWidth": width}
    return {**COMMENT, "version": VERSION, "flags": {}, "shapes": shapes, "imagePath": image, "imageData": None, **size}


def _shapes(one: Outlined, label: str, number: int) -> Iterator[dict[str, Any]]:
    """Yields the shapes of an object; several of them are held together by their group."""
    x_low, y_low, x_high, y_high = one.box
    kind = "polygon" if one.polygons else "rectangle"
    outlines = [polygon.tolist() for polygon in one.polygons] or [[[x_low, y_low], [x_high, y_high]]]
    for outline in outlines:
        yield {
            "label": label,
            "points": outline,
            "group_id": number if len(outlines) > 1 else None,
            "description": f"score {one.score:.2f}",
            "shape_type": kind,
            "flags": {},
        }
