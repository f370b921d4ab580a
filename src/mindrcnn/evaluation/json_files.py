"""JSON files, read and written so that a failure is one clear message and never leaves half a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mindrcnn.atomic import write_text
from mindrcnn.errors import InputError
from mindrcnn.untrusted.json_text import parse_json


def write_json(path: Path, value: object) -> None:
    """Writes `value` as JSON, completely or not at all. Raises InputError if it cannot be written."""
    write_text(path, json.dumps(value, ensure_ascii=False))


def read_json(path: Path) -> Any:
    """Reads a JSON file. Raises InputError if it is missing, unreadable or not JSON."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_json(content, path)
