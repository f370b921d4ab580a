"""Decoding of every image of a data set, in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mindrcnn.concurrency import map_ordered
from mindrcnn.data.findings import Findings, Kind
from mindrcnn.data.progress import ProgressLine
from mindrcnn.errors import InputError


def examine_images(decoders: Sequence[Callable[[], object]], findings: Findings, *, workers: int) -> int:
    """Calls each decoder, adds the InputErrors that they raise to `findings`, and returns the number of decoders."""

    def problem(index: int) -> str | None:
        try:
            decoders[index]()
        except InputError as error:
            return str(error)
        return None

    count = len(decoders)
    progress = ProgressLine(count, what="images decoded")
    for done, message in enumerate(map_ordered(problem, range(count), workers=workers, prefetch=2 * workers), start=1):
        if message is not None:
            findings.add(Kind.UNREADABLE, message)
        progress.update(done)
    progress.close()
    return count
