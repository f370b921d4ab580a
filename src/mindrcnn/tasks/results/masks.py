"""Masks as pictures: a black and white PNG for each object."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from mindrcnn.drawing.pictures import write_picture
from mindrcnn.evaluation.paste import decode
from mindrcnn.outputs import Output
from mindrcnn.tasks.results.own_folder import file_part, own_folder
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan

FOLDER = "masks"


class Masks:
    """masks/TITLE_NUMBER_CLASS.png of the image's size, white where the object is; numbers as in predictions.json."""

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
            labels = found.detections.labels.tolist()
            for number, (rle, label) in enumerate(zip(found.detections.rle or (), labels, strict=False), start=1):
                grey = decode(rle).astype(np.uint8) * np.uint8(255)
                write_picture(self._folder / f"{found.title}_{number:03}_{parts[label - 1]}.png", grey)

        yield add
