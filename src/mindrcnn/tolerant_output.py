"""Standard output and standard error that may fail without ending the program before its files are written."""

import io
import os
from contextlib import suppress
from typing import Any, TextIO


class TolerantOutput(io.TextIOBase):
    """Passes text on; the first failure is kept in `failure`, and what is written after it is dropped.

    Characters that the encoding of the output lacks are written as \\u escapes. output: None if it is closed.
    """

    def __init__(self, output: TextIO | None) -> None:
        self.failure: OSError | None = None
        self._output = output
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        """Returns what else the output has, such as its `buffer`."""
        if name == "_output":
            raise AttributeError(name)
        return getattr(self._output, name)

    def write(self, text: str) -> int:
        """Writes the text, or drops it after a failure."""
        self._attempt("write", text)
        return len(text)

    def flush(self) -> None:
        """Flushes the output."""
        self._attempt("flush")

    def isatty(self) -> bool:
        """Tells whether the output is a terminal."""
        return self._output is not None and self._output.isatty()

    def fileno(self) -> int:
        """Returns the descriptor of the output."""
        if self._output is None:
            raise io.UnsupportedOperation("fileno")
        return self._output.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the output."""
        return getattr(self._output, "encoding", None) or "utf-8"

    def detach_from_disk(self) -> None:
        """Lets what is left in the buffer go to the null device, so that the interpreter does not fail at its end."""
        if self._output is None:
            return
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._output.fileno())
            os.close(null)

    def _attempt(self, method: str, *arguments: Any) -> None:
        if self._output is None or self.failure is not None:
            return
        try:
            getattr(self._output, method)(*arguments)
        except OSError as error:
            self.failure = error
