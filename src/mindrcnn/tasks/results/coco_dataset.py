"""A COCO data set of what was found: pre-annotations to correct in CVAT or Label Studio, and data to train on."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.outputs import MARK, Output
from mindrcnn.tasks.results.coco_results import image_entry
from mindrcnn.tasks.results.copies import image_file, relative_name
from mindrcnn.tasks.results.predictions import json_text
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan
from mindrcnn.tasks.results.shapes import Outlined, outlined_objects

logger = logging.getLogger(__name__)

ANNOTATIONS = "annotations/instances_default.json"  # the names that CVAT gives and expects
COPIES = "images/default"


class CocoDataset:
    """One file of annotations, in CVAT's place for it.

    Image names are relative to the folder that all images have in common. Frames and downloads are written to
    images/default, which then is the folder of all images that are named.
    """

    replays = True

    def __init__(self, plan: Plan) -> None:
        self._path = plan.file(ANNOTATIONS)
        self._copies = plan.folder / COPIES
        files = [named.entry.file for named in plan.entries if not named.entry.is_video]
        self._images = _common_folder([file for file in files if file is not None], self._copies)
        self._has_copies = len(files) < len(plan.entries) or None in files

    def outputs(self) -> Iterable[Output]:
        """Returns the file of annotations."""
        return [Output(self._path)]

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Writes the data set; annotations wait in a file of their own while images are written."""
        folder = self._copies if self._has_copies else self._images
        categories = [{"id": number, "name": name} for number, name in zip(classes.ids, classes.names, strict=True)]
        with (
            replacing(self._path) as temporary,
            open(temporary, "w", encoding="utf-8") as file,
            tempfile.TemporaryFile("w+", encoding="utf-8") as annotations,
        ):
            head = {"info": {"description": f"detections, {MARK}"}, "licenses": [], "categories": categories}
            file.write(f'{json_text(head)[:-1]}, "images": [\n')
            writer = _Writer(file, annotations, classes)
            yield lambda found: writer.add(found, relative_name(image_file(found, self._copies), folder))
            file.write('\n], "annotations": [\n')
            annotations.seek(0)
            shutil.copyfileobj(annotations, file)
            file.write("\n]}\n")
        logger.info(
            "to read %s: data.root=%s data.train.annotations=%s data.train.images=.",
            *(self._path, paths.resolve(folder), paths.resolve(self._path)),
        )


class _Writer:
    def __init__(self, images: TextIO, annotations: TextIO, classes: Classes) -> None:
        self._images = images
        self._annotations = annotations
        self._classes = classes
        self._counts = [0, 0]

    def add(self, found: Found, name: str) -> None:
        self._write(0, self._images, image_entry(found, name))
        for one in outlined_objects(found.detections):
            self._write(1, self._annotations, self._annotation(one, found.image_id))

    def _annotation(self, one: Outlined, image_id: int) -> dict[str, Any]:
        x_low, y_low, x_high, y_high = one.box
        return {
            "id": self._counts[1] + 1,
            "image_id": image_id,
            "category_id": int(self._classes.ids[one.label - 1]),
            "bbox": [x_low, y_low, round(x_high - x_low, 2), round(y_high - y_low, 2)],
            "area": one.area,
            "segmentation": [polygon.ravel().tolist() for polygon in one.polygons],
            "iscrowd": 0,
            "score": one.score,
        }

    def _write(self, which: int, file: TextIO, value: dict[str, Any]) -> None:
        file.write((",\n" if self._counts[which] else "") + json_text(value))
        self._counts[which] += 1


def _common_folder(files: list[Path], otherwise: Path) -> Path:
    """Returns the innermost folder that all files lie in."""
    folders = {paths.resolve(file).parent for file in files}
    return Path(os.path.commonpath(folders)) if folders else otherwise
