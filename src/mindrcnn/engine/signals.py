"""Ctrl-C and SIGTERM handled between training steps, and Python's Ctrl-C handler preserved while MindSpore runs."""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType, TracebackType
from typing import NoReturn

from mindrcnn.atomic import remove_unfinished

logger = logging.getLogger(__name__)

EXIT_BASE = 128  # a shell's status of a process that a signal ended is 128 + the signal's number
STOPPING = (signal.SIGINT, signal.SIGTERM)
SECOND_GRACE = 2.0  # seconds after a second signal in which the program may still end by itself


class StopSignals:
    """While entered, the first SIGINT or SIGTERM is only remembered in `received`; a second ends the work at once.

    SIGINT ends it with KeyboardInterrupt, SIGTERM with SystemExit. Inside MindSpore or an import, which do not survive
    exceptions, the process of a program (`program_signals`) leaves instead. Python handles signals only in the main
    thread, so nothing changes in another thread.

    notice: what a program logs at the first signal, unless that ends the work at once.
    """

    def __init__(self, *, notice: str = "") -> None:
        self.notice = notice
        self.received: signal.Signals | None = None
        self._immediate = False
        self._entered = ExitStack()

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                self._entered.callback(signal.signal, number, signal.signal(number, self._handle))
            self._entered.enter_context(_keeper.hold(newly_set=True))
            _entered.append(self)
            self._entered.callback(_entered.remove, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.close()

    def tell(self, number: int) -> None:
        """Logs the notice of the first signal; not called in the main thread, which may be inside a long step."""
        if self.notice and not self._immediate:
            logger.info("%s: %s", signal.Signals(number).name, self.notice)

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
            if _programs and _is_inside_others(frame):
                leave(number)
            self.end_if_received()


@contextmanager
def program_signals() -> Iterator[None]:
    """Lets a second SIGINT or SIGTERM end the process, whatever it waits for; for programs, not for their library.

    Python's handlers run between two instructions of the main thread, which may wait in a library or in another handler
    for a thread that never ends. The system writes each signal's number into a pipe at once, and a thread reads them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher = threading.Thread(target=_leave_at_second, args=(reading,), name="second-signal", daemon=True)
    watcher.start()
    _programs.append(reading)
    try:
        yield
    finally:
        _programs.remove(reading)
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


def leave(number: int) -> NoReturn:
    """Ends the process with the status of a signal, without unwinding; removes files that are written in part."""
    remove_unfinished()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # whatever the stream is
            stream.flush()
    os._exit(EXIT_BASE + number)


def _leave_at_second(reading: int) -> None:
    received = 0
    while numbers := os.read(reading, 64):
        for number in numbers:
            if number in STOPPING:
                received += 1
            if received == 1 and number in STOPPING:
                for entered in _entered[-1:]:  # in one more thread, as a log may be waited for
                    threading.Thread(target=entered.tell, args=(number,), name="notice", daemon=True).start()
            if received == 2:
                time.sleep(SECOND_GRACE)
                leave(number)


def _is_inside_others(frame: FrameType | None) -> bool:
    """Tells whether MindSpore or an import is at work."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(("mindspore", "importlib")):
            return True
        frame = frame.f_back
    return False


_entered: list[StopSignals] = []  # the last handles signals
_programs: list[int] = []  # programs that run in this process: one, or none in somebody else's


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
        action = ctypes.create_string_buffer(self.SIGACTION_BYTES)
        try:
            with self._lock:
                if self._actions and not newly_set:  # the installed one may be MindSpore's
                    ctypes.memmove(action, self._actions[-1], self.SIGACTION_BYTES)
                else:
                    self._library.sigaction(int(signal.SIGINT), None, action)
                self._actions.append(action)
                if len(self._actions) == 1:
                    self._start()
            yield
        finally:
            try:
                self._release(action)
            except BaseException:  # a Ctrl-C meanwhile
                self._release(action)
                raise

    def _release(self, action: "ctypes.Array[ctypes.c_char]") -> None:
        """Gives up a handler, if it was taken; may be repeated."""
        with self._lock:
            if self._actions:
                self._restore(next((one for one in reversed(self._actions) if one is not action), action))
                self._actions = [other for other in self._actions if other is not action]
            thread = None if self._actions else self._stop()
        if thread is not None:
            with suppress(RuntimeError):  # a Ctrl-C has interrupted its start
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
