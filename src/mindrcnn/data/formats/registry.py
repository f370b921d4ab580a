"""The data formats by name: ours, and those that other packages add."""

from __future__ import annotations

from mindrcnn.data.formats.auto import KNOWN, AutoFormat
from mindrcnn.data.formats.format import DataFormat
from mindrcnn.errors import InputError

AUTO = AutoFormat()

FORMATS: dict[str, DataFormat] = {AUTO.name: AUTO} | KNOWN


def find_format(name: str) -> DataFormat:
    """Returns the format of that name. Raises InputError that lists the names there are."""
    if name not in FORMATS:
        raise InputError(f"data format: wanted one of {', '.join(FORMATS)}, got {name!r}")
    return FORMATS[name]
