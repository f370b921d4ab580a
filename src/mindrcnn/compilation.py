"""Compilations that a user waits for: announced before they begin, and kept apart from what is timed."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class Compilations:
    """The shapes that something has been compiled for, and what the calls that compiled them took.

    Shapes are those of images, (B, 3, H, W).

    what: names the compiled thing in the log.
    images, seconds: of the calls inside `watch` that compiled; they say nothing about speed.
    """

    def __init__(self, what: str, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self.images = 0
        self.seconds = 0.0
        self._what = what
        self._clock = clock
        self._known: set[tuple[int, ...]] = set()

    def announce(self, shapes: Iterable[tuple[int, ...]]) -> bool:
        """Logs which of the shapes are new, before a call compiles for them; tells whether there are any."""
        new = [shape for shape in dict.fromkeys(shapes) if shape not in self._known]
        if new:
            self._known.update(new)
            sizes = dict.fromkeys(f"{height}x{width}" for *_, height, width in new)
            logger.info("compiling %s for %s ...", self._what, ", ".join(sizes))
        return bool(new)

    @contextmanager
    def watch(self, shape: tuple[int, ...], *, images: int) -> Iterator[None]:
        """Announces and times the call inside the block if it compiles for a shape; `images` is what it computes."""
        if not self.announce([shape]):
            yield
            return
        started = self._clock()
        yield
        self.images += images
        self.seconds += self._clock() - started
