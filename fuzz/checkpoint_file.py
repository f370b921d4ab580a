"""Checkpoint files put together from parts, with a right checksum."""

from __future__ import annotations

import hashlib

from mindrcnn.engine.checkpoints.checkpoint import INFO_NAME
from mindrcnn.engine.checkpoints.checksum import TRAILER_BYTES, encode_trailer


def split(content: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Returns a checkpoint's parameters, and the rest of it without the checksum."""
    start = len(content) - TRAILER_BYTES - len(entry(info))
    return content[:start], content[start:-TRAILER_BYTES]


def entry(info: bytes) -> bytes:
    """Encodes a description as the field of a checkpoint: Checkpoint{value{tag, tensor{dims, type, content}}}."""
    tensor = b"\x08" + _varint(len(info)) + _field(2, b"UInt8") + _field(3, info)
    return _field(1, _field(1, INFO_NAME.encode()) + _field(2, tensor))


def sealed(body: bytes) -> bytes:
    """Appends the checksum."""
    return body + encode_trailer(hashlib.sha256(body).digest())


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])
