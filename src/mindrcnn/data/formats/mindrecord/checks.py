"""The checks of a shard's columns, which a file of unknown origin must pass before anything is read by them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mindrcnn.data.formats.mindrecord.manifest import ShardEntry
from mindrcnn.data.masks import MAX_PIXELS, MAX_SIDE

PER_OBJECT = frozenset({"boxes", "labels", "crowd", "mask_starts", "mask_lengths"})

# column -> kinds of NumPy's types, and the shape of a row
_COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "names": ("S", ()),
    "image_ids": ("iu", ()),
    "sizes": ("iu", (2,)),
    "counts": ("iu", ()),
    "image_starts": ("iu", ()),
    "image_lengths": ("iu", ()),
    "image_crcs": ("iu", ()),
    "boxes": ("f", (4,)),
    "labels": ("iu", ()),
    "crowd": ("b", ()),
    "mask_starts": ("iu", ()),
    "mask_lengths": ("iu", ()),
}


def columns_fault(columns: dict[str, np.ndarray], shard: ShardEntry, classes: int) -> str | None:
    """Returns what is wrong with the columns of a shard; None if they can be used."""
    missing = sorted(set(_COLUMNS) - set(columns))
    if missing:
        return f"no column {missing[0]}"
    for name, (kinds, row) in _COLUMNS.items():
        column, count = columns[name], shard.objects if name in PER_OBJECT else shard.images
        if column.dtype.kind not in kinds or column.shape != (count, *row):
            return f"column {name} of {column.dtype} {column.shape}"
    # The first alone: those after it rely on the columns before.
    wrong = next((name for name, good in _value_checks(columns, shard, classes) if not good), None)
    return f"impossible numbers in {wrong}" if wrong else None


def _value_checks(columns: dict[str, np.ndarray], shard: ShardEntry, classes: int) -> Iterator[tuple[str, bool]]:
    sizes, counts, boxes = columns["sizes"].astype(np.int64), columns["counts"], columns["boxes"]
    yield "sizes", bool(((sizes >= 1) & (sizes <= MAX_SIDE)).all() and (sizes.prod(axis=1) <= MAX_PIXELS).all())
    yield "counts", bool((counts >= 0).all() and (counts <= shard.objects).all() and counts.sum() == shard.objects)
    yield "labels", bool(((columns["labels"] >= 1) & (columns["labels"] <= classes)).all())
    for start, length in (("image_starts", "image_lengths"), ("mask_starts", "mask_lengths")):
        starts, lengths = (columns[name].astype(np.float64) for name in (start, length))
        yield start, bool(((starts >= 0) & (lengths >= 0) & (starts + lengths <= shard.bytes)).all())
    height, width = sizes[np.repeat(np.arange(len(counts)), counts)].T
    limits = np.stack([width, height, width, height], axis=1) if len(boxes) else boxes
    inside = np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes <= limits + 1).all()
    yield "boxes", bool(inside and (boxes[:, 2:] >= boxes[:, :2]).all())
