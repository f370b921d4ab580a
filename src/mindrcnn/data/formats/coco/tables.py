"""The tables of a COCO file as whole columns, all of the file that stays in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from mindrcnn.data.formats.coco.columns import Block, Ints, content_blocks, empty_block, read_blocks
from mindrcnn.data.formats.coco.growing_array import GrowingArray, Texts
from mindrcnn.data.formats.coco.segmentation import parse_segmentation
from mindrcnn.data.masks import MAX_PIXELS, MAX_SIDE, Polygons, RunLengths
from mindrcnn.errors import InputError


class Mask(IntEnum):
    """The kind of an annotation's segmentation.

    EMPTY, PARTLY_EMPTY: all, or some, of its polygons have too few corners. BAD: `problems` has the reason.
    """

    NONE = 0
    POLYGONS = 1
    RUN_LENGTHS = 2
    EMPTY = 3
    PARTLY_EMPTY = 4
    BAD = 5


@dataclass(frozen=True, eq=False)
class Pictures:
    """The table of n images."""

    names: Sequence[bytes]  # (n,) in the file system's encoding
    ids: Ints  # (n,)
    sizes: npt.NDArray[np.int32]  # (n, 2) (h, w)


@dataclass(frozen=True, eq=False)
class Objects:
    """The table of m annotations. `starts` and `lengths`: the bytes of each in the file."""

    problems: dict[int, str]  # of masks that are BAD, by annotation id
    ids: Ints  # (m,)
    image_ids: Ints  # (m,)
    category_ids: Ints  # (m,)
    crowd: npt.NDArray[np.bool_]  # (m,)
    boxes: npt.NDArray[np.float64]  # (m, 4) xyxy
    masks: npt.NDArray[np.uint8]  # (m,) a Mask each
    mask_sizes: npt.NDArray[np.int32]  # (m, 2) (h, w) of run lengths, else 0
    starts: Ints  # (m,)
    lengths: Ints  # (m,)


@dataclass(frozen=True, eq=False)
class Categories:
    """The table of categories. `parents`: the `supercategory` of each, empty where there is none."""

    names: Sequence[str]
    parents: Sequence[str]
    ids: Ints


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of one file, or of content in its form."""

    path: Path
    pictures: Pictures
    objects: Objects
    categories: Categories


def refuse(error: InputError) -> NoReturn:
    """Raises the error of a malformed row: reading for training stops at the first."""
    raise error


def read_tables(path: Path, file: BinaryIO, *, malformed: Callable[[InputError], None] = refuse) -> Tables:
    """Returns the tables of the open file, each row checked by itself.

    `malformed` is called with an InputError that names the file and the row's id; if it returns, the row is skipped.
    """
    return _collect(path, read_blocks(path, file), malformed)


def content_tables(name: Path, content: Any) -> Tables:
    """Returns the tables of a COCO file's content, checked as those of a file; `name` is for messages."""
    return _collect(name, content_blocks(name, content), refuse)


def _collect(path: Path, blocks: Iterator[tuple[str, Block]], malformed: Callable[[InputError], None]) -> Tables:
    file_names = Texts()
    class_names: list[str] = []
    parents: list[str] = []
    problems: dict[int, str] = {}
    columns_of = {
        "images": partial(_picture_columns, file_names=file_names),
        "annotations": partial(_object_columns, problems=problems),
        "categories": partial(_category_columns, class_names=class_names, parents=parents),
    }
    # made from an empty block, so that every column has its type in an empty table too
    columns = {
        table: [GrowingArray(column) for column in make(empty_block(path, table))] for table, make in columns_of.items()
    }
    for table, block in blocks:
        for pieces in _sound(block, columns_of[table], malformed):
            for column, piece in zip(columns[table], pieces, strict=True):
                column.append(piece)
    pictures, objects, categories = ([column.array() for column in columns[table]] for table in columns_of)
    return Tables(
        path,
        Pictures(file_names, *pictures),
        Objects(problems, *objects),
        Categories(class_names, parents, *categories),
    )


def _sound(
    block: Block, make: Callable[[Block], tuple[np.ndarray, ...]], malformed: Callable[[InputError], None]
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields the columns of a block: as a whole, or row by row without malformed rows."""
    try:
        yield make(block)
        return
    except InputError:
        pass
    for row in block.single_rows():
        try:
            pieces = make(row)
        except InputError as error:
            malformed(error)
        else:
            yield pieces


def _picture_columns(block: Block, file_names: Texts) -> tuple[np.ndarray, ...]:
    rows = block.columns
    ids = rows.ids("id")
    sizes = np.stack([rows.lengths(key, high=MAX_SIDE) for key in ("height", "width")], axis=1)
    large = np.flatnonzero(sizes.prod(axis=1) > MAX_PIXELS)
    if len(large):
        raise rows.error(
            large[0], f"height x width: wanted at most {MAX_PIXELS} pixels, got {sizes[large[0]].tolist()}"
        )
    file_names.extend(rows.file_names("file_name"))
    return ids, sizes.astype(np.int32)


def _category_columns(block: Block, class_names: list[str], parents: list[str]) -> tuple[np.ndarray, ...]:
    ids, names = block.columns.ids("id"), block.columns.texts("name")
    class_names += names
    above = [row.get("supercategory") for row in block.columns.rows]
    parents += [one if isinstance(one, str) else "" for one in above]
    return (ids,)


def _object_columns(block: Block, problems: dict[int, str]) -> tuple[np.ndarray, ...]:
    rows = block.columns
    ids = rows.ids("id")
    rows.require_areas("area")
    corners = rows.boxes("bbox")
    with np.errstate(over="ignore"):  # infinitely far away is outside of the image too
        corners[:, 2:] += corners[:, :2]  # COCO stores x, y, width, height
    masks = np.zeros(len(rows), dtype=np.uint8)
    mask_sizes = np.zeros((len(rows), 2), dtype=np.int32)
    for index, row in enumerate(rows.rows):
        try:
            mask = parse_segmentation(row.get("segmentation"))
        except ValueError as error:
            masks[index] = Mask.BAD
            problems[int(ids[index])] = str(error)
            continue
        if isinstance(mask, RunLengths):
            masks[index] = Mask.RUN_LENGTHS
            mask_sizes[index] = mask.height, mask.width
        elif isinstance(mask, Polygons):
            masks[index] = _kind(mask, stored=len(row["segmentation"]))
    return (
        ids,
        rows.ids("image_id"),
        rows.ids("category_id"),
        rows.flags("iscrowd"),
        corners,
        masks,
        mask_sizes,
        block.starts,
        block.lengths,
    )


def _kind(polygons: Polygons, *, stored: int) -> Mask:
    """Returns the kind of polygons of which the file has `stored`."""
    if len(polygons.parts) == stored:
        return Mask.POLYGONS
    return Mask.PARTLY_EMPTY if polygons.parts else Mask.EMPTY
