"""JSON files, read and written so that a failure is one clear message and never leaves half a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.errors import InputError


def write_json(path: Path, value: object) -> None:
    """Writes `value` as JSON, completely or not at all. Raises InputError if it cannot be written."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a file in another encoding, say
        text = json.dumps(value)
    write_text(path, text)


def read_json(path: Path) -> Any:
    """Reads a JSON file. Raises InputError if it is missing, unreadable or not JSON."""
    text = paths.read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: wanted JSON, got an error at line {error.lineno}: {error.msg}") from error
