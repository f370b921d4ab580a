"""Converted data as a Dataset: columns in memory, images and masks read from the shards when they are needed.

MindRecord's own readers give records as a stream or by a search; training needs any image at any time, from several
threads. The conversion has stored the positions, so one read from the file is enough.
"""

from __future__ import annotations

import os
import weakref
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mindrcnn import paths
from mindrcnn.data.formats.mindrecord.annotation import SHAPELESS_BYTES, decode_mask
from mindrcnn.data.formats.mindrecord.checks import PER_OBJECT, columns_fault
from mindrcnn.data.formats.mindrecord.manifest import (
    INDEX,
    Manifest,
    ShardEntry,
    columns_file,
    read_columns,
    read_manifest,
)
from mindrcnn.data.masks import Segmentation
from mindrcnn.data.record import Dataset, Shapeless
from mindrcnn.data.record_table import RecordTable
from mindrcnn.errors import InputError
from mindrcnn.messages import shorten

SHOWN_CLASSES = 10  # in a message


def read_mindrecord(*, folder: Path, classes: Sequence[str] = ()) -> Dataset:
    """Returns the data set that was converted into `folder`, with the classes that it was converted with.

    Raises InputError that names the file: no finished conversion, another version, a shard that is missing, truncated
    or damaged, other `classes`. `without_mask` numbers the objects from 1.
    """
    manifest = read_manifest(folder)
    if classes and tuple(classes) != manifest.classes:
        wanted, got = shorten(classes, SHOWN_CLASSES), shorten(manifest.classes, SHOWN_CLASSES)
        raise InputError(
            f"{folder / INDEX}: wanted the classes of data.classes, in their order: {wanted}; got {got}: leave "
            f"data.classes empty, or convert with these classes"
        )
    columns = _all_columns(folder, manifest)
    shards = Shards(folder, manifest, columns)
    mask_lengths, crowd = columns["mask_lengths"], columns["crowd"]
    without_mask = 1 + np.flatnonzero((mask_lengths == 0) & ~crowd)
    shapeless = (mask_lengths == SHAPELESS_BYTES) & ~crowd
    records = RecordTable(
        folder=folder,
        names=columns["names"],
        image_ids=columns["image_ids"],
        sizes=columns["sizes"],
        ends=np.cumsum(columns["counts"], dtype=np.int64),
        boxes=columns["boxes"],
        labels=columns["labels"],
        crowd=crowd,
        read_mask=shards.mask,
        read_bytes=shards.image,
    )
    return Dataset(
        records=records,
        classes=manifest.classes,
        category_ids=manifest.category_ids,
        annotation_file=folder / INDEX,
        without_mask=array("q", without_mask.astype(np.int64).tobytes()),
        shapeless=None
        if not shapeless.any()
        else Shapeless((1 + np.flatnonzero(shapeless)).tolist(), records.without(shapeless)),
    )


class Shards:
    """The open files of a converted data set."""

    def __init__(self, folder: Path, manifest: Manifest, columns: dict[str, np.ndarray]) -> None:
        self._paths = [folder / shard.file for shard in manifest.shards]
        self._first_images = np.cumsum([0, *(shard.images for shard in manifest.shards)])
        self._first_objects = np.cumsum([0, *(shard.objects for shard in manifest.shards)])
        self._columns = columns
        self._files: list[int] = []
        weakref.finalize(self, _close, self._files)
        for path, shard in zip(self._paths, manifest.shards, strict=True):
            self._files.append(_opened(path, shard.bytes))

    def image(self, place: int) -> bytes:
        """Returns the image file of the image at an index. Raises InputError if it is damaged."""
        shard = self._shard_of(place, self._first_images)
        length = int(self._columns["image_lengths"][place])
        content = self._read(shard, int(self._columns["image_starts"][place]), length)
        if zlib.crc32(content) != self._columns["image_crcs"][place]:
            name = os.fsdecode(self._columns["names"][place])
            raise InputError(f"{self._paths[shard]}: image {name} is damaged: its checksum differs; convert again")
        return content

    def mask(self, place: int) -> Segmentation | None:
        """Returns the mask of the object at an index. Raises InputError if it is damaged."""
        shard = self._shard_of(place, self._first_objects)
        start, length = int(self._columns["mask_starts"][place]), int(self._columns["mask_lengths"][place])
        try:
            return decode_mask(self._read(shard, start, length) if length else b"")
        except ValueError as error:
            raise InputError(f"{self._paths[shard]}: the mask at byte {start} is damaged: convert again") from error

    def _shard_of(self, place: int, firsts: np.ndarray) -> int:
        return int(np.searchsorted(firsts, place, side="right")) - 1

    def _read(self, shard: int, start: int, length: int) -> bytes:
        try:
            return os.pread(self._files[shard], length, start)
        except OSError as error:
            raise InputError(f"{self._paths[shard]}: cannot be read: {error.strerror}") from error


def _opened(path: Path, size: int) -> int:
    with paths.open_file(path, f"shard, which {INDEX} lists") as opened:
        file = os.dup(opened.fileno())
    got = os.fstat(file).st_size
    if got != size:
        os.close(file)
        raise InputError(f"{path}: wanted a shard of {size} bytes, as {INDEX} says, got {got}: convert again")
    return file


def _close(files: list[int]) -> None:
    for file in files:
        os.close(file)


def _all_columns(folder: Path, manifest: Manifest) -> dict[str, np.ndarray]:
    """Returns the columns of all shards, filled in place: only one shard's are in memory twice."""
    joined: dict[str, np.ndarray] = {}
    images = objects = 0
    for shard in manifest.shards:
        path = folder / shard.file
        about, columns = read_columns(path)
        _require_same(path, about, shard, manifest)
        fault = columns_fault(columns, shard, len(manifest.classes))
        if fault is not None:
            raise InputError(f"{columns_file(path)}: wanted the columns of a shard, got {fault}: convert again")
        for name, column in columns.items():
            of_objects = name in PER_OBJECT
            total, first = (manifest.objects, objects) if of_objects else (manifest.images, images)
            joined[name] = _with_room(joined.get(name), column, total)
            joined[name][first : first + len(column)] = column
        images, objects = images + shard.images, objects + shard.objects
    return joined


def _with_room(whole: np.ndarray | None, column: np.ndarray, total: int) -> np.ndarray:
    """Returns an array for `total` rows like `column`; file names may need a wider type than before."""
    if whole is None:
        return np.zeros((total, *column.shape[1:]), dtype=column.dtype)
    return whole.astype(np.promote_types(whole.dtype, column.dtype), copy=False)


def _require_same(path: Path, about: dict[str, object], shard: ShardEntry, manifest: Manifest) -> None:
    if about.get("sha256") != shard.sha256 or about.get("source") != manifest.source:
        raise InputError(f"{path}: wanted the shard that {INDEX} lists, got one of another conversion: convert again")
