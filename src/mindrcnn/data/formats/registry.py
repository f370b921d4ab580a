"""The data formats by name: ours, and those that other packages add."""

from __future__ import annotations

from mindrcnn.data.formats.coco.format import CocoFormat
from mindrcnn.data.formats.format import DataFormat
from mindrcnn.data.formats.mindrecord.format import MindRecordFormat
from mindrcnn.data.formats.txt_list import TxtFormat
from mindrcnn.errors import InputError

_OURS: tuple[DataFormat, ...] = (CocoFormat(), TxtFormat(), MindRecordFormat())

FORMATS: dict[str, DataFormat] = {data_format.name: data_format for data_format in _OURS}


def find_format(name: str) -> DataFormat:
    """Returns the format of that name. Raises InputError that lists the names there are."""
    if name not in FORMATS:
        raise InputError(f"data format: wanted one of {', '.join(FORMATS)}, got {name!r}")
    return FORMATS[name]
