"""Progress lines over the images of an evaluation or inference run."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

PROGRESS_SECONDS = 10.0  # least time between two progress lines


def log_progress(
    results: Iterable[Result], *, total: int | None, clock: Callable[[], float] = time.monotonic
) -> Iterator[Result]:
    """Passes the results of images on and logs how many of `total` are done, images/s and the time left.

    A total of None is not known, and neither is the time left.
    """
    start = last = clock()
    done = 0
    for done, result in enumerate(results, start=1):
        now = clock()
        if now - last >= PROGRESS_SECONDS and done != total:
            _log_line(done, total, done / (now - start))
            last = now
        yield result
    seconds = max(clock() - start, 1e-9)
    logger.info("%d images in %s, %.2f images/s", done, timedelta(seconds=round(seconds)), done / seconds)


def _log_line(done: int, total: int | None, rate: float) -> None:
    if total is None:
        logger.info("%d images, %.2f images/s", done, rate)
        return
    left = timedelta(seconds=max(round((total - done) / rate), 0))
    logger.info("%d/%d images, %.2f images/s, %s left", done, total, rate, left)
