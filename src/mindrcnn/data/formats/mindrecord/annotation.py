"""The annotations of one image as bytes, the field `annotation` of a record. Little-endian throughout:

    uint32 N, the number of objects
    N x 4 float32 boxes (xyxy), N int32 labels, N uint8 crowd flags, N uint32 lengths of the masks in bytes
    the masks, one after the other

A mask of length 0 means that the object has none. Otherwise it is uint32 words: POLYGONS, the number of parts, the
count of numbers in each, then those as float32; or RUN_LENGTHS, height, width, then the runs. Polygons of 0 parts stand
for some that all had too few corners.
"""

from __future__ import annotations

from array import array

import numpy as np

from mindrcnn.data.masks import MIN_POLYGON_NUMBERS, Polygons, RunLengths, Segmentation, mask_size, run_lengths
from mindrcnn.data.record import Record

POLYGONS, RUN_LENGTHS = 1, 2
SHAPELESS_BYTES = 8  # length of polygons of 0 parts, and of no other mask

_WORD = np.dtype("<u4")
_OBJECT_BYTES = 4 * 4 + 4 + 1 + 4  # box, label, crowd flag, length of the mask


def encode_annotation(record: Record) -> tuple[bytes, list[int]]:
    """Returns the record's objects as bytes, and the length in bytes of each mask; the masks come last."""
    masks = [encode_mask(mask) for mask in record.segmentations]
    lengths = [len(mask) for mask in masks]
    head = (
        np.array([len(masks)], dtype=_WORD),
        record.boxes.astype("<f4"),
        record.labels.astype("<i4"),
        record.crowd.astype("u1"),
        np.array(lengths, dtype=_WORD),
    )
    return b"".join([*(column.tobytes() for column in head), *masks]), lengths


def head_bytes(objects: int) -> int:
    """Returns the number of bytes before the masks."""
    return _WORD.itemsize + objects * _OBJECT_BYTES


def encode_mask(mask: Segmentation | None) -> bytes:
    """Returns one mask as bytes; empty for None."""
    if mask is None:
        return b""
    if isinstance(mask, RunLengths):
        words = np.array([RUN_LENGTHS, mask.height, mask.width], dtype=_WORD)
        return words.tobytes() + mask.runs.astype(_WORD).tobytes()
    words = np.array([POLYGONS, len(mask.parts), *(len(part) for part in mask.parts)], dtype=_WORD)
    return words.tobytes() + b"".join(np.asarray(part, dtype="<f4").tobytes() for part in mask.parts)


def decode_mask(content: bytes) -> Segmentation | None:
    """Returns the mask that `encode_mask` wrote. Raises ValueError for bytes that are not a mask."""
    if not content:
        return None
    kind, *_ = words = np.frombuffer(content, dtype=_WORD)
    if kind == RUN_LENGTHS and len(words) >= 3:
        try:
            return run_lengths(*mask_size(words[1:3].tolist()), words[3:].astype(np.int64))
        except ValueError as error:
            raise ValueError(f"wanted a mask, got other run lengths: {error}") from error
    if kind == POLYGONS and len(words) >= 2:
        first = 2 + int(words[1])
        ends = first + np.cumsum(words[2:first].astype(np.int64))
        if len(content) == SHAPELESS_BYTES and not words[1]:
            return Polygons(())
        lengths = words[2:first]
        whole = (
            len(ends) and ends[-1] == len(words) and not (lengths % 2).any() and lengths.min() >= MIN_POLYGON_NUMBERS
        )
        if len(words) >= first and whole and np.isfinite(words[first:].view("<f4")).all():
            numbers = words.view("<f4").astype(np.float32)
            return Polygons(tuple(array("f", part.tobytes()) for part in np.split(numbers, [first, *ends[:-1]])[1:]))
    raise ValueError("wanted a mask, got other bytes")
