"""Progress lines over the images of an evaluation or inference run."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

from mindrcnn.compilation import Compilations

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

PROGRESS_SECONDS = 10.0  # least time between two progress lines


def log_progress(
    results: Iterable[Result],
    *,
    total: int | None,
    compiling: Compilations | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Result]:
    """Passes the results of images on and logs how many of `total` are done, images/s and the time left.

    results: one for each image.
    total: their number; None if it is not known, and then neither is the time left.
    compiling: what is compiled meanwhile; its time and images do not count in images/s and the time left.
    clock: tells the time in seconds.
    """
    compiling = compiling or Compilations("the network")
    images, seconds = compiling.images, compiling.seconds
    start = last = clock()
    done = 0
    for done, result in enumerate(results, start=1):
        now = clock()
        if now - last >= PROGRESS_SECONDS and done != total:
            timed = now - start - (compiling.seconds - seconds)
            _log_line(done, total, _rate(done - (compiling.images - images), timed))
            last = now
        yield result
    whole, compiled = clock() - start, compiling.seconds - seconds
    rate = _rate(done - (compiling.images - images), whole - compiled)
    of_it = f", of which {_time(compiled)} compiling" if compiled else ""
    logger.info("%d images in %s%s%s", done, _time(whole), of_it, "" if rate is None else f", {rate:.2f} images/s")


def _log_line(done: int, total: int | None, rate: float | None) -> None:
    count = f"{done} images" if total is None else f"{done}/{total} images"
    speed = "" if rate is None else f", {rate:.2f} images/s"
    left = "" if rate is None or total is None else f", {_time(max(total - done, 0) / rate)} left"
    logger.info("%s%s%s", count, speed, left)


def _rate(images: int, seconds: float) -> float | None:
    """Returns images/s; None if nothing has been timed."""
    return images / max(seconds, 1e-9) if images > 0 else None


def _time(seconds: float) -> timedelta:
    return timedelta(seconds=round(seconds))
