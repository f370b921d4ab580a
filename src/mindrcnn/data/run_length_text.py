"""Many masks in COCO's text form at once, checked or read, for files of hundreds of thousands of them.

The check says only whether all are valid; masks.run_lengths says what is wrong with one, and takes far longer for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

AT_ONCE = 4_000_000  # characters, which bounds the memory
MOST_CHARACTERS = 6  # of a number: 30 bits, more than the pixels of any image

Longs = npt.NDArray[np.int64]


def all_valid(texts: Sequence[str], pixels: Sequence[int]) -> bool:
    """Says whether every text holds run lengths, none negative, that sum to its number of pixels.

    A valid text may be refused too, if it is longer than AT_ONCE or writes a number with needless characters.
    """
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    if not lengths.all() or lengths.max(initial=0) > AT_ONCE:
        return False
    for part in parts(lengths):
        joined = "".join(texts[part])
        if not joined.isascii() or not _valid(joined.encode(), lengths[part], np.array(pixels[part])):
            return False
    return True


def parts(lengths: Longs) -> Iterator[slice]:
    """Divides texts of these lengths into parts of AT_ONCE characters or a single text."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        end = int(np.searchsorted(ends, ends[start] - lengths[start] + AT_ONCE, side="right"))
        yield slice(start, max(end, start + 1))
        start = max(end, start + 1)


def _valid(joined: bytes, lengths: Longs, pixels: Longs) -> bool:
    decoded = decode(joined, lengths)
    if decoded is None:
        return False
    runs, first = decoded
    return bool((runs >= 0).all() and (np.add.reduceat(runs, first) == pixels).all())


def decode(joined: bytes, lengths: Longs) -> tuple[Longs, Longs] | None:
    """Returns the run lengths of all texts, and where those of each begin; None if a text is none or wastes characters.

    joined: the texts, none empty, one after another.
    lengths: their numbers of characters.
    """
    codes = np.frombuffer(joined, np.uint8).astype(np.int64) - 48
    if codes.min() < 0 or codes.max() > 63:
        return None
    ends = np.cumsum(lengths)
    is_last = (codes & 0x20) == 0
    if not is_last[ends - 1].all():
        return None
    last = np.flatnonzero(is_last)
    starts = np.concatenate([[0], last[:-1] + 1])
    size = last - starts + 1
    if size.max() > MOST_CHARACTERS:
        return None
    place = np.arange(len(codes)) - np.repeat(starts, size)
    numbers = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    numbers -= np.where(codes[last] & 0x10, np.int64(1) << (5 * size), 0)
    text = np.searchsorted(ends, last, side="right")
    first = np.searchsorted(text, np.arange(len(lengths)))
    return _undo_differences(numbers, text, first), first


def _undo_differences(numbers: Longs, text: Longs, first: Longs) -> Longs:
    """Returns the runs: from the fourth number of a text on, each is stored less the number two before it.

    numbers: (n,) of all texts.
    text: (n,) the text of each.
    first: where each text begins.
    """
    index = np.arange(len(numbers)) - first[text]
    chain = text * 3 + np.where(index == 0, 0, 1 + index % 2)
    order = np.argsort(chain, kind="stable")
    total = np.cumsum(numbers[order])
    begins = np.flatnonzero(np.diff(chain[order], prepend=-1))
    before = np.concatenate([[0], total[begins[1:] - 1]])
    runs = np.empty_like(numbers)
    runs[order] = total - np.repeat(before, np.diff(np.append(begins, len(numbers))))
    return runs
