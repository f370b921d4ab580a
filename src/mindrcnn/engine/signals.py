"""Ctrl-C and SIGTERM handled between training steps, and Python's Ctrl-C handler preserved while MindSpore runs."""

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType, TracebackType

EXIT_BASE = 128  # a shell's status of a process that a signal ended is 128 + the signal's number
STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """While entered, the first SIGINT or SIGTERM is only remembered in `received`; a second ends the work at once.

    SIGINT ends it with KeyboardInterrupt, SIGTERM with SystemExit. Python handles signals only in the main thread, so
    nothing changes in another thread.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._immediate = False
        self._entered = ExitStack()

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                self._entered.callback(signal.signal, number, signal.signal(number, self._handle))
            self._entered.enter_context(_keeper.hold(newly_set=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.close()

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Lets a signal end the work inside the block at once, for long work that loses nothing when interrupted."""
        self.end_if_received()
        self._immediate = True
        try:
            yield
        finally:
            self._immediate = False

    def end_if_received(self) -> None:
        """Raises KeyboardInterrupt if SIGINT was received, and SystemExit with status 143 if SIGTERM was."""
        if self.received is signal.SIGINT:
            raise KeyboardInterrupt
        if self.received is not None:
            raise SystemExit(EXIT_BASE + self.received)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        repeated = self.received is not None
        self.received = signal.Signals(number)
        if repeated or self._immediate:
            self.end_if_received()


class _InterruptKeeper:
    """Restores the process's SIGINT handler every few milliseconds while anyone needs it.

    MindSpore 2.8 installs its own handler at each graph run and leaves it there; it turns SIGINT into SIGTERM, so that
    Ctrl-C would look like an outside request to end. `signal.signal` works only in the main thread, which spends most
    of its time inside the graph; the C library's sigaction works in any. A Ctrl-C within the first few milliseconds of
    a graph run still arrives as SIGTERM.
    """

    INTERVAL = 0.02  # seconds
    SIGACTION_BYTES = 512  # room for struct sigaction of any platform (152 bytes on 64-bit Linux); copied unread

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._lock = threading.Lock()
        self._actions: list[ctypes.Array[ctypes.c_char]] = []  # one per caller; the last is in force
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def hold(self, *, newly_set: bool = False) -> Iterator[None]:
        """Keeps the handler in force, or with `newly_set` the one that Python has just set, inside the block."""
        with self._lock:
            action = ctypes.create_string_buffer(self.SIGACTION_BYTES)
            if self._actions and not newly_set:  # the installed one may be MindSpore's
                ctypes.memmove(action, self._actions[-1], self.SIGACTION_BYTES)
            else:
                self._library.sigaction(int(signal.SIGINT), None, action)
            self._actions.append(action)
            if len(self._actions) == 1:
                self._start()
        try:
            yield
        finally:
            with self._lock:
                self._actions = [other for other in self._actions if other is not action]
                self._restore(self._actions[-1] if self._actions else action)
                thread = None if self._actions else self._stop()
            if thread is not None:
                thread.join()

    def _start(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._restore_repeatedly, args=(self._stopped,), name="interrupt-keeper", daemon=True
        )
        self._thread.start()

    def _stop(self) -> threading.Thread | None:
        self._stopped.set()
        return self._thread

    def _restore_repeatedly(self, stopped: threading.Event) -> None:
        while not stopped.wait(self.INTERVAL):
            with self._lock:
                if not stopped.is_set():
                    self._restore(self._actions[-1])

    def _restore(self, action: "ctypes.Array[ctypes.c_char]") -> None:
        self._library.sigaction(int(signal.SIGINT), action, None)


_keeper = _InterruptKeeper()


@contextmanager
def preserve_interrupts() -> Iterator[None]:
    """Keeps the Ctrl-C handler as it was, inside the block and after it, while MindSpore runs; in any thread."""
    with _keeper.hold():
        yield
