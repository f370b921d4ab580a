"""JSON files, read and written so that a failure is one clear message and never leaves half a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.untrusted.json_text import parse_json


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
    return parse_json(paths.read_bytes(path), path)
