"""predictions.jsonl: a line for each image, written as it comes; the record of a run that can be resumed.

The lines are those of predictions.json's `images`. Beside them stands predictions_run.json, the settings that decide
what is in a line, so that no file is continued with others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json, write_json
from mindrcnn.messages import quote_value
from mindrcnn.outputs import COMMENT, Output, read_head
from mindrcnn.tasks.results.predictions import json_text
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan
from mindrcnn.untrusted.json_text import parse_json

LINES, SETTINGS = "predictions.jsonl", "predictions_run.json"

Key: TypeAlias = tuple[str, int | None]  # name and frame of an image


def is_lines(path: Path) -> bool:
    """Says whether a file begins as these do; lines have no room for a mark."""
    head = read_head(path)
    return not head or (head.startswith(b'{"file": ') and b'"height": ' in head)


class JsonLines:
    """The lines of the images that are done.

    plan: the facts of the run.
    settings: what has to be the same in a run that is resumed, by the name of its option.
    """

    replays = False

    def __init__(self, plan: Plan, *, settings: Mapping[str, Any]) -> None:
        self.path = plan.file(LINES)
        self._settings_path = plan.file(SETTINGS)
        self._settings = json.loads(json.dumps(settings))
        self._continues = False

    def outputs(self) -> Iterable[Output]:
        """Returns both files."""
        return [Output(self.path, is_lines), Output(self._settings_path)]

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Adds lines to those that `resume` has kept, or to none."""
        write_json(self._settings_path, COMMENT | {"settings": self._settings})
        try:
            with open(self.path, "a" if self._continues else "w", encoding="utf-8") as file:

                def add(found: Found) -> None:
                    file.write(json_text(found.document) + "\n")
                    file.flush()  # whatever ends the program, only the last line can be incomplete

                yield add
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror or error}") from error

    def resume(self, keeps: Callable[[Key], bool], *, replay: Callable[[Key, dict[str, Any]], None]) -> set[Key]:
        """Keeps the complete lines of an earlier run, and returns their keys.

        keeps: tells whether an image need not be done again.
        replay: is called with each line that is kept.

        Raises InputError for a line that is not one of these files'.
        """
        self._continues = True
        if not paths.exists(self.path):
            return set()
        done: set[Key] = set()
        with replacing(self.path) as temporary, open(temporary, "wb") as kept, paths.open_file(self.path) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break  # the one that was being written when the run ended
                key, document = _parse(line, f"{self.path}: line {number}")
                if key not in done and keeps(key):
                    done.add(key)
                    kept.write(line)
                    replay(key, document)
        return done

    def require_same_settings(self) -> None:
        """Raises InputError if the run that is to be resumed had other settings."""
        if not paths.exists(self._settings_path):
            return
        content = read_json(self._settings_path)
        earlier = content.get("settings") if isinstance(content, dict) else None
        if not isinstance(earlier, dict):
            raise InputError(f"{self._settings_path}: wanted the settings of a run, got something else")
        for name, value in self._settings.items():
            if earlier.get(name) != value:
                raise InputError(
                    f"--resume: wanted the settings of the run that is resumed ({self._settings_path}): {name} "
                    f"{quote_value(earlier.get(name))}, got {quote_value(value)}; without --resume it starts again"
                )


def _parse(line: bytes, place: str) -> tuple[Key, dict[str, Any]]:
    document = parse_json(line, Path(place))
    if not isinstance(document, dict) or not isinstance(document.get("file"), str):
        raise InputError(f"{place}: wanted the predictions of an image, got {quote_value(document)}")
    frame = document.get("frame")
    return (document["file"], frame if isinstance(frame, int) else None), document
