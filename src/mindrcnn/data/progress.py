"""Progress of a long pass over a data set: count, rate and time left, on standard error."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import TextIO

TERMINAL_SECONDS, FILE_SECONDS = 0.5, 15.0  # between lines; rarer in a file, which keeps them all


class ProgressLine:
    """A single line that is overwritten on a terminal; an occasional new line in a file."""

    def __init__(self, total: int, *, what: str, stream: TextIO | None = None) -> None:
        self._total = total
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._start = self._last = time.monotonic()
        self._shown = False

    def update(self, done: int) -> None:
        """Shows that `done` items are done, unless the last line is too recent."""
        now = time.monotonic()
        terminal = self._stream.isatty()
        if not done or now - self._last < (TERMINAL_SECONDS if terminal else FILE_SECONDS):
            return
        self._last, self._shown = now, True
        rate = done / (now - self._start)
        left = timedelta(seconds=round((self._total - done) / rate))
        text = f"{done}/{self._total} {self._what}, {rate:.0f}/s, {left} left"
        self._stream.write(f"\r{text}\033[K" if terminal else f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """Ends the line on a terminal."""
        if self._shown and self._stream.isatty():
            self._stream.write("\n")
