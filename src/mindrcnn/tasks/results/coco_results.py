"""COCO results, as COCO's evaluation takes them, and the list of images that their ids are of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mindrcnn.atomic import replacing
from mindrcnn.evaluation.coco.results import is_results
from mindrcnn.outputs import COMMENT, Output
from mindrcnn.tasks.results.predictions import json_text
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan

RESULTS, IMAGES = "coco_results.json", "coco_images.json"


class CocoResults:
    """A list of objects, one a line, and a file with `images` and `categories`."""

    replays = True

    def __init__(self, plan: Plan) -> None:
        self._results = plan.file(RESULTS)
        self._images = plan.file(IMAGES)

    def outputs(self) -> Iterable[Output]:
        """Returns both files."""
        return [Output(self._results, is_results), Output(self._images)]

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Writes both files."""
        categories = [{"id": number, "name": name} for number, name in zip(classes.ids, classes.names, strict=True)]
        with (
            replacing(self._results) as results_path,
            replacing(self._images) as images_path,
            open(results_path, "w", encoding="utf-8") as results,
            open(images_path, "w", encoding="utf-8") as images,
        ):
            images.write(f'{json_text(COMMENT)[:-1]}, "categories": {json_text(categories)}, "images": [\n')
            counts = {"objects": 0, "images": 0}

            def add(found: Found) -> None:
                for entry in found.detections.to_coco(found.image_id):
                    results.write((",\n" if counts["objects"] else "[\n") + json.dumps(entry))
                    counts["objects"] += 1
                images.write((",\n" if counts["images"] else "") + json_text(image_entry(found, found.name)))
                counts["images"] += 1

            yield add
            results.write("\n]\n" if counts["objects"] else "[\n\n]\n")
            images.write("\n]}\n")


def image_entry(found: Found, name: str) -> dict[str, object]:
    """Returns an image as COCO describes it; a frame also has its number and time in the video."""
    height, width = found.detections.image_size
    entry: dict[str, object] = {"id": found.image_id, "file_name": name, "height": height, "width": width}
    return entry if found.frame is None else entry | {"frame": found.frame, "seconds": found.seconds}
