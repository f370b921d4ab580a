"""Crops: a picture of each object's box, in a folder for each class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from mindrcnn.drawing.pictures import write_picture
from mindrcnn.outputs import Output
from mindrcnn.tasks.results.own_folder import file_part, own_folder
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan

FOLDER = "crops"


class Crops:
    """crops/CLASS/TITLE_NUMBER.jpg; numbers as in predictions.json."""

    replays = False

    def __init__(self, plan: Plan) -> None:
        self._folder = plan.folder / FOLDER
        self._force = plan.force

    def outputs(self) -> Iterable[Output]:
        """Returns nothing that is named in advance, after a look at the folder."""
        return own_folder(self._folder, force=self._force)

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Writes a picture an object."""
        parts = [file_part(name) for name in classes.names]

        def add(found: Found) -> None:
            detections = found.detections
            if not len(detections) or detections.source is None:
                return
            image = detections.source.image()
            low = np.floor(detections.boxes[:, :2]).astype(int)
            high = np.maximum(np.ceil(detections.boxes[:, 2:]).astype(int), low + 1)
            for number, label in enumerate(detections.labels.tolist(), start=1):
                (left, top), (right, bottom) = low[number - 1], high[number - 1]
                path = self._folder / parts[label - 1] / f"{found.title}_{number:03}.jpg"
                write_picture(path, np.ascontiguousarray(image[top:bottom, left:right]))

        yield add
