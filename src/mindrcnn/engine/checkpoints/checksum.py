"""A SHA-256 at the end of a checkpoint file, which plain `mindspore.load_checkpoint` reads as one more tensor.

A .ckpt file is a sequence of protobuf messages that concatenate to one. A file truncated at a message boundary
therefore still parses, and flipped bits inside tensors go unnoticed. The digest covers every byte before it.
"""

import hashlib
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.hashing import file_sha256

DIGEST_NAME = "mindrcnn.sha256"
DIGEST_BYTES = hashlib.sha256().digest_size


def _field(number: int, payload: bytes) -> bytes:
    """Encodes a length-delimited protobuf field; payloads here stay below 128 bytes, so the length is one byte."""
    return bytes([number << 3 | 2, len(payload)]) + payload


def encode_trailer(digest: bytes) -> bytes:
    """Encodes Checkpoint{value{tag, tensor{dims, tensor_type, tensor_content}}} of mindspore's checkpoint.proto."""
    dims = bytes([1 << 3, DIGEST_BYTES])
    tensor = dims + _field(2, b"UInt8") + _field(3, digest)
    return _field(1, _field(1, DIGEST_NAME.encode()) + _field(2, tensor))


TRAILER_BYTES = len(encode_trailer(bytes(DIGEST_BYTES)))


def append_digest(path: Path) -> None:
    """Appends the digest of the whole file to it."""
    digest = file_sha256(path)
    with open(path, "ab") as file:
        file.write(encode_trailer(digest))


def verify_digest(path: Path) -> None:
    """Raises InputError when the file is not exactly as `append_digest` left it."""
    size = paths.size(path)
    body = size - TRAILER_BYTES
    if body <= 0:
        raise InputError(f"{path}: wanted a MindRCNN checkpoint, got a file of {size} bytes")
    with paths.open_file(path) as file:
        file.seek(body)
        trailer = file.read()
    if trailer[:-DIGEST_BYTES] != encode_trailer(bytes(DIGEST_BYTES))[:-DIGEST_BYTES]:
        raise InputError(
            f"{path}: the checkpoint is truncated, or was not written by MindRCNN (no checksum at its end); if another "
            f"library wrote it, `mindrcnn convert {path} NEW.ckpt` imports it"
        )
    if trailer[-DIGEST_BYTES:] != file_sha256(path, body):
        raise InputError(f"{path}: the checkpoint is damaged: its contents do not match the checksum at its end")
