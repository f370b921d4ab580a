"""Decodes every image of a data set, in threads."""

from __future__ import annotations

from collections.abc import Callable

from mindrcnn.concurrency import map_ordered
from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.progress import ProgressLine
from mindrcnn.errors import InputError


def examine_images(read: Callable[[int], object], count: int, findings: Findings, *, workers: int) -> None:
    """Calls `read` with each place below `count`; an InputError of it is a finding."""

    def problem(place: int) -> str | None:
        try:
            read(place)
        except InputError as error:
            return str(error)
        return None

    progress = ProgressLine(count, what="images decoded")
    for done, message in enumerate(map_ordered(problem, range(count), workers=workers, prefetch=2 * workers), start=1):
        if message is not None:
            findings.add(Kind.UNREADABLE, message)
        progress.update(done)
    progress.close()
