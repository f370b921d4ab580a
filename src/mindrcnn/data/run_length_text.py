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
    codes = np.frombuffer(joined, np.uint8) - np.uint8(48)
    if codes.max() > 63:
        return None
    is_last = codes < 32
    ends = np.cumsum(lengths)
    if not is_last[ends - 1].all():
        return None
    last = np.flatnonzero(is_last)
    starts = np.concatenate([[0], last[:-1] + 1])
    size = last - starts + 1
    if size.max() > MOST_CHARACTERS:
        return None
    first = np.concatenate([[0], np.searchsorted(last, ends[:-1])])
    return _undo_differences(_numbers(codes, starts, size), first), first


def _numbers(codes: npt.NDArray[np.uint8], starts: Longs, size: Longs) -> Longs:
    """Returns the numbers, five bits a character, lowest first; the last of the fifth bits is the sign.

    codes: (c,) of all characters.
    starts, size: (n,) where each number begins, and its characters.
    """
    bits = codes & 0x1F
    numbers = bits[starts].astype(np.int64)
    longer = np.flatnonzero(size > 1)
    for place in range(1, int(size.max())):
        longer = longer[size[longer] > place]
        numbers[longer] |= bits[starts[longer] + place].astype(np.int64) << (5 * place)
    negative = np.flatnonzero(codes[starts + size - 1] & 0x10)
    numbers[negative] -= np.int64(1) << (5 * size[negative])
    return numbers


def _undo_differences(numbers: Longs, first: Longs) -> Longs:
    """Returns the runs: from the fourth number of a text on, each is stored less the number two before it.

    numbers: (n,) of all texts.
    first: where each text begins.
    """
    counts = np.diff(np.append(first, len(numbers)))
    pairs = (counts + 1) // 2  # every text is given an even number of places, so that all have their turns in a column
    begins = np.cumsum(pairs) - pairs
    places = np.arange(len(numbers)) + np.repeat(2 * begins - first, counts)
    padded = np.zeros((int(pairs.sum()), 2), np.int64)
    padded.reshape(-1)[places] = numbers
    padded[begins, 0] = 0  # the third number is stored as it is
    total = np.cumsum(padded, axis=0)
    before = np.concatenate([np.zeros((1, 2), np.int64), total])[begins]
    total -= np.repeat(before, pairs, axis=0)
    runs = total.reshape(-1)[places]
    runs[first] = numbers[first]
    return runs
