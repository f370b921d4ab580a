"""predictions.json: all images in one JSON document, written as they come and named when complete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mindrcnn.atomic import replacing
from mindrcnn.evaluation.zoo_predictions import is_zoo_document, zoo_document
from mindrcnn.outputs import COMMENT, Output, is_marked
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan

NAME = "predictions.json"


def json_text(value: object) -> str:
    """Returns a value as JSON in one line; names that are no Unicode are escaped."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a file in another encoding, say
        text = json.dumps(value)
    return text


class Predictions:
    """The document with a list of images, or the model zoo's map from path to predictions."""

    replays = True

    def __init__(self, plan: Plan) -> None:
        self._path = plan.file(NAME)
        self._zoo = plan.zoo_format

    def outputs(self) -> Iterable[Output]:
        """Returns predictions.json."""
        return [Output(self._path, is_zoo_document if self._zoo else is_marked)]

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Writes the document."""
        start, end = ("{", "}") if self._zoo else (f'{json_text(COMMENT)[:-1]}, "images": [', "]}")
        with replacing(self._path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(start)
            count = 0

            def add(found: Found) -> None:
                nonlocal count
                file.write((", " if count else "") + self._member(found))
                count += 1

            yield add
            file.write(end)

    def _member(self, found: Found) -> str:
        if not self._zoo:
            return json_text(found.document)
        key = found.name if found.frame is None else f"{found.name}#{found.frame}"  # a map has each key once
        return json_text(zoo_document([found.document | {"file": key}]))[1:-1]
