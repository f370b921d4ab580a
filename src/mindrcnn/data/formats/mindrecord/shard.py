"""Writing of one MindRecord file, and the positions of its images and masks."""

from __future__ import annotations

import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mindrcnn.data.formats.mindrecord.annotation import encode_annotation, head_bytes
from mindrcnn.data.formats.mindrecord.pages import Packing, pack
from mindrcnn.data.record import Record
from mindrcnn.errors import InputError
from mindrcnn.outputs import read_head

DESCRIPTION = "an image and its objects"  # of the schema, which is stored in the first bytes of a file
SCHEMA = {
    "image": {"type": "bytes"},  # the image file as it is
    "annotation": {"type": "bytes"},  # see annotation.py
    "image_id": {"type": "int64"},
    "file_name": {"type": "string"},
    "height": {"type": "int32"},
    "width": {"type": "int32"},
}
ROWS_AT_ONCE = 64  # written together; some 10 MB

_LENGTH = 8  # bytes of the length before a record's blobs, and before each one


@dataclass(frozen=True, eq=False)
class Addresses:
    """Positions in a shard, in bytes: n images, m objects ordered by image."""

    image_starts: npt.NDArray[np.int64]  # n
    image_lengths: npt.NDArray[np.int32]  # n
    image_crcs: npt.NDArray[np.uint32]  # n
    mask_starts: npt.NDArray[np.int64]  # m
    mask_lengths: npt.NDArray[np.int32]  # m


@dataclass
class _Written:
    """Lengths and checksums of one record as written."""

    image_length: int
    annotation_length: int
    image_crc: int
    annotation_crc: int
    mask_lengths: list[int]


def write_shard(
    path: Path, records: Sequence[Record], names: Sequence[str], *, done: Callable[[int], None]
) -> Addresses:
    """Writes `path` and its index `path`.db, and returns the positions that it finds in both.

    `names` are the images' file names; `done` is called with the number of images written since its last call. Raises
    InputError that names an image that cannot be read. Call it in a process of its own: it imports MindSpore.
    """
    from mindspore.mindrecord import FileWriter

    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # which MindSpore takes no path with
        raise InputError(f"{path}: wanted a path in UTF-8 for MindRecord files, got other bytes") from error
    packing = _packing(records)
    with _full_disk_told(path, RuntimeError):  # which is all that MindSpore's writer says
        writer = FileWriter(str(path), shard_num=1, overwrite=True)
        writer.set_header_size(packing.header)
        writer.set_page_size(packing.page)
        writer.add_schema(SCHEMA, DESCRIPTION)
        written = _write_rows(writer, records, names, packing, done)
        writer.commit()
    with _full_disk_told(path, sqlite3.Error, OSError):
        return _addresses(path, packing, written)


def is_shard(path: Path) -> bool:
    """Says whether a file looks as `write_shard` writes it."""
    return DESCRIPTION.encode() in read_head(path)


@contextmanager
def _full_disk_told(path: Path, *failures: type[Exception]) -> Iterator[None]:
    """Turns these failures into an InputError that says how much is free on the disk."""
    try:
        yield
    except failures as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = next((line for line in lines if line.startswith("[ERROR]")), lines[0]).removeprefix("[ERROR] ")
        free = ""
        with suppress(OSError):
            free = f"; {shutil.disk_usage(path.parent).free / 1e6:.1f} MB are free on its disk"
        raise InputError(f"cannot write {path}: {reason}{free}") from error


def _write_rows(
    writer: Any, records: Sequence[Record], names: Sequence[str], packing: Packing, done: Callable[[int], None]
) -> list[_Written]:
    written: list[_Written] = []
    for start in range(0, len(records), ROWS_AT_ONCE):
        rows = []
        for index in packing.order[start : start + ROWS_AT_ONCE]:
            row, lengths = _row(records[index], names[index])
            rows.append(row)
            image, annotation = row["image"], row["annotation"]
            crcs = zlib.crc32(image), zlib.crc32(annotation)
            written.append(_Written(len(image), len(annotation), *crcs, lengths))
        writer.write_raw_data(rows)
        done(len(rows))
    return written


def _packing(records: Sequence[Record]) -> Packing:
    sizes = [len(encode_annotation(record)[0]) + image_size(record) for record in records]
    packing = pack(sizes)
    if packing is None:
        largest = records[int(np.argmax(sizes))]
        raise InputError(f"{largest.path}: wanted an image that MindRecord can hold, got one of {max(sizes)} bytes")
    return packing


def image_size(record: Record) -> int:
    """Returns the size of the image file in bytes."""
    if record.encoded is not None:
        return len(record.encoded())
    try:
        return record.path.stat().st_size
    except OSError as error:
        raise InputError(f"{record.path}: cannot be read: {error.strerror}") from error


def _row(record: Record, name: str) -> tuple[dict[str, Any], list[int]]:
    try:
        image = record.path.read_bytes() if record.encoded is None else record.encoded()
    except OSError as error:
        raise InputError(f"{record.path}: cannot be read: {error.strerror}") from error
    if not image:
        raise InputError(f"{record.path}: wanted an image, got an empty file")
    annotation, lengths = encode_annotation(record)
    row = {
        "image": image,
        "annotation": annotation,
        "image_id": record.image_id,
        "file_name": name.encode(errors="backslashreplace").decode(),
        "height": record.height,
        "width": record.width,
    }
    return row, lengths


def _addresses(path: Path, packing: Packing, written: Sequence[_Written]) -> Addresses:
    """Returns the positions from MindRecord's own index, an SQLite table, each checked against what was written."""
    found = sorted(zip(packing.order, _blobs(path, packing), written, strict=True), key=itemgetter(0))
    rows = [row for _, _, row in found]
    images, masks = [], []
    with path.open("rb") as file:
        for _, (start, end), row in found:
            annotation = start + 2 * _LENGTH  # blobs lie in the order of their names
            image = annotation + row.annotation_length + _LENGTH
            if (
                image + row.image_length != end
                or _crc(file, image, row.image_length) != row.image_crc
                or _crc(file, annotation, row.annotation_length) != row.annotation_crc
            ):
                raise RuntimeError(f"{path}: this MindSpore lays records out in a way that is not known here")
            images.append(image)
            masks.append(annotation + head_bytes(len(row.mask_lengths)) + _starts(row.mask_lengths))
    return Addresses(
        image_starts=np.array(images, dtype=np.int64),
        image_lengths=np.array([row.image_length for row in rows], dtype=np.int32),
        image_crcs=np.array([row.image_crc for row in rows], dtype=np.uint32),
        mask_starts=np.concatenate([np.zeros(0, dtype=np.int64), *masks]),
        mask_lengths=np.array([length for row in rows for length in row.mask_lengths], dtype=np.int32),
    )


def _blobs(path: Path, packing: Packing) -> Iterator[tuple[int, int]]:
    connection = sqlite3.connect(f"{path}.db")
    try:
        query = "SELECT PAGE_ID_BLOB, PAGE_OFFSET_BLOB, PAGE_OFFSET_BLOB_END FROM INDEXES ORDER BY ROW_ID"
        for page, start, end in connection.execute(query):
            first = packing.header + page * packing.page
            yield first + start, first + end
    finally:
        connection.close()


def _starts(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    ends = np.cumsum(np.array(lengths, dtype=np.int64))
    return ends - np.array(lengths, dtype=np.int64)


def _crc(file: BinaryIO, start: int, length: int) -> int:
    return zlib.crc32(os.pread(file.fileno(), length, start))
