"""Sizes of MindRecord's pages and header, and an order of records, that keep a shard hardly larger than its content.

A shard is a header, one or more pages of plain fields, and pages of blobs; a record lies in one page, and each page
takes its full size. With MindSpore's own sizes (16 MB and 32 MB) a shard has up to 50 MB of padding.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

LEAST_PAGE, LARGEST_PAGE = 1 << 16, 1 << 28  # MindSpore allows no larger page
LEAST_HEADER = 1 << 16
HEADER_BYTES_OF_PAGE = 512  # the header describes each page in some 200 bytes of JSON
PLAIN_BYTES = 512  # of a record's numbers and file name; an upper limit
BLOB_OVERHEAD = 64  # lengths and padding of a record's blobs


@dataclass(frozen=True)
class Packing:
    """Bytes of a shard's header and of each page, and the records in the order in which they are to be written."""

    header: int
    page: int
    order: tuple[int, ...]


def pack(records: Sequence[int]) -> Packing | None:
    """Returns the packing with the smallest shard for records of these sizes; None where one exceeds any page."""
    sizes = [size + BLOB_OVERHEAD for size in records]
    best: tuple[int, Packing] | None = None
    page = LEAST_PAGE
    while page <= LARGEST_PAGE:
        if page >= max(sizes, default=0):
            pages = _fill(sizes, page)
            count = max(len(pages), 1) + -(-PLAIN_BYTES * len(sizes) // page)
            header = LEAST_HEADER
            while header < HEADER_BYTES_OF_PAGE * count:
                header *= 2
            total = header + count * page
            if best is None or total < best[0]:
                best = total, Packing(header, page, tuple(chain.from_iterable(pages)))
        page += max(page // 8 // LEAST_PAGE, 1) * LEAST_PAGE
    return None if best is None else best[1]


def _fill(sizes: Sequence[int], page: int) -> list[list[int]]:
    """Returns the records of each page: largest first, each in the fullest page that has room for it.

    MindRecord starts a page when a record does not fit into the last one, and so makes the same pages: the first record
    of a page fits into none before it.
    """
    pages: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # bytes left and number of each page, ascending
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        place = bisect_left(rooms, (sizes[index], 0))
        if place < len(rooms):
            room, number = rooms.pop(place)
        else:
            room, number = page, len(pages)
            pages.append([])
        pages[number].append(index)
        insort(rooms, (room - sizes[index], number))
    return pages
