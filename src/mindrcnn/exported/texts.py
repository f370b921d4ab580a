"""The texts that an ONNX or MINDIR file carries, read without either's library."""

from __future__ import annotations

from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError

# Both formats are protobuf, and both keep their texts as field 14 of the model: pairs of a key, 1, and a value, 2.
TEXTS, TEXT_KEY, TEXT_VALUE = 14, 1, 2

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MOST_VARINT_BYTES = 10


def read_texts(file: Path) -> dict[str, str]:
    """Returns the texts of a file by key. Raises InputError if it is neither ONNX nor MINDIR."""
    content = memoryview(paths.read_bytes(file))
    try:
        pairs = [fields_of(value) for number, value in fields(content) if number == TEXTS]
        return {str(pair[TEXT_KEY], "utf-8"): str(pair[TEXT_VALUE], "utf-8") for pair in pairs}
    except (ValueError, KeyError) as error:
        raise InputError(f"{file}: wanted a whole ONNX or MINDIR model, got other content ({error})") from error


def fields_of(message: memoryview) -> dict[int, memoryview]:
    """Returns the fields of a message by number."""
    return dict(fields(message))


def fields(message: memoryview) -> list[tuple[int, memoryview]]:
    """Returns the number and content of each field of a message that has a length; skips numbers.

    Raises ValueError unless the message is complete.
    """
    found, position = [], 0
    while position < len(message):
        tag, position = read_varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            _, position = read_varint(message, position)
            continue
        if kind == _LENGTH:
            length, position = read_varint(message, position)
        elif kind in _FIXED_BYTES:
            length = _FIXED_BYTES[kind]
        else:
            raise ValueError(f"wire type {kind} at byte {position}")
        if length > len(message) - position:
            raise ValueError(f"{length} bytes at byte {position} of {len(message)}")
        if kind == _LENGTH:
            found.append((tag >> 3, message[position : position + length]))
        position += length
    return found


def read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Returns a number and the position after it."""
    value = 0
    for index, byte in enumerate(message[position : position + _MOST_VARINT_BYTES]):
        value |= (byte & 127) << (7 * index)
        if byte < 128:
            return value, position + index + 1
    raise ValueError(f"an endless number at byte {position}")
