"""How large MindRecord's pages and header are made, so that a shard is little larger than what it holds.

A shard is a header, one page or more of plain fields and one of blobs; a record lies in one page, and each page takes
its full size. With MindSpore's own sizes (16 MB and 32 MB) a shard has up to 50 MB of nothing in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_PAGE, LARGEST_PAGE = 1 << 16, 1 << 28  # of which MindSpore allows the latter at most
LEAST_HEADER = 1 << 16
HEADER_BYTES_OF_PAGE = 512  # the header describes each page in some 200 bytes of JSON
PLAIN_BYTES = 512  # of a record's numbers and its file name, more than any takes
BLOB_OVERHEAD = 64  # lengths and padding of a record's blobs


@dataclass(frozen=True)
class PageFormat:
    """Bytes of a shard's header and of each page."""

    header: int
    page: int


def choose_pages(records: Sequence[int]) -> PageFormat | None:
    """The sizes that give the smallest shard for records of these bytes, in this order; None where one record is larger
    than a page can be."""
    sizes = [size + BLOB_OVERHEAD for size in records]
    best: tuple[int, PageFormat] | None = None
    page = LEAST_PAGE
    while page <= LARGEST_PAGE:
        if page >= max(sizes, default=0):
            count = _pages(sizes, page) + -(-PLAIN_BYTES * len(sizes) // page)
            header = LEAST_HEADER
            while header < HEADER_BYTES_OF_PAGE * count:
                header *= 2
            total = header + count * page
            if best is None or total < best[0]:
                best = total, PageFormat(header, page)
        page += max(page // 8 // LEAST_PAGE, 1) * LEAST_PAGE
    return None if best is None else best[1]


def _pages(sizes: Sequence[int], page: int) -> int:
    """Pages that records of these sizes fill one after the other."""
    count, used = 1, 0
    for size in sizes:
        if used + size > page:
            count, used = count + 1, 0
        used += size
    return count
