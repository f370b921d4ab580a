"""Ctrl-C and SIGTERM, honoured between two training steps."""

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

EXIT_BASE = 128  # a shell's status of a process that a signal ended is 128 + the signal's number
STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """While entered, the first SIGINT or SIGTERM is only remembered in `received`; a second ends the program at once.

    Signal handlers exist per process: enter it in the main thread only.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._immediate = False
        self._previous: dict[signal.Signals, Any] = {}
        self._keeper: _InterruptKeeper | None = None

    def __enter__(self) -> "StopSignals":
        self._previous = {number: signal.signal(number, self._handle) for number in STOPPING}
        self._keeper = _InterruptKeeper()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.stop()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Inside the block a signal ends the program at once: for long work that is no loss to break off."""
        self.exit_if_received()
        self._immediate = True
        try:
            yield
        finally:
            self._immediate = False

    def exit_if_received(self) -> None:
        """Raises SystemExit with status 130 (SIGINT) or 143 (SIGTERM) when a signal has come."""
        if self.received is not None:
            raise SystemExit(EXIT_BASE + self.received)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        repeated = self.received is not None
        self.received = signal.Signals(number)
        if repeated or self._immediate:
            self.exit_if_received()


class _InterruptKeeper:
    """Puts Python's SIGINT handler back every few milliseconds until stopped.

    MindSpore 2.8 sets a handler of its own at each graph run and leaves it there; it turns SIGINT into SIGTERM, so that
    Ctrl-C would look like an outside request to end. `signal.signal` works in the main thread only, which is inside the
    graph for most of the time; the C library's sigaction works in any. A Ctrl-C within the first few milliseconds of a
    graph run still arrives as SIGTERM, which does the same but for the exit status.
    """

    INTERVAL = 0.02  # seconds
    SIGACTION_BYTES = 512  # room for struct sigaction of any platform (152 bytes on 64-bit Linux); copied unread

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._action = ctypes.create_string_buffer(self.SIGACTION_BYTES)
        self._library.sigaction(int(signal.SIGINT), None, self._action)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="interrupt-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the handler is no longer touched."""
        self._stopped.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopped.wait(self.INTERVAL):
            self._library.sigaction(int(signal.SIGINT), self._action, None)
