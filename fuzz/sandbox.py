"""Cases run in a child process under limits of time and memory, one after another until one ends it."""

from __future__ import annotations

import os
import resource
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence

import cv2

from mindrcnn.errors import InputError

SECONDS = 10  # of processor time for one case
WAITING = 600  # seconds, for a case that waits for something; a busy machine may give a case little of its time
MEGABYTES = 500  # above what the process had before
ADDRESS_SPACE = 4 << 30  # bytes above it; a library may reserve what it does not use

GOOD = ("success", "InputError")


def outcomes(cases: Sequence[Callable[[], object]]) -> Iterator[str]:
    """Yields how each case ended: success, InputError, or what else happened."""
    done = 0
    while done < len(cases):
        lines, ending = _run_child(cases[done:])
        yield from lines
        done += len(lines)
        if done < len(cases):
            yield ending
            done += 1


def _run_child(cases: Sequence[Callable[[], object]]) -> tuple[list[str], str]:
    """Returns the outcomes that a child reported, and how it ended."""
    reading, writing = os.pipe()
    cv2.setNumThreads(1)  # ends OpenCV's threads, which a child lacks and would wait for
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            _run_all(cases, writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as stream:
        lines = stream.read().splitlines()
    _, status = os.waitpid(child, 0)
    name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
    return lines, {"SIGPROF": f"more than {SECONDS} s", "SIGALRM": f"waited for {WAITING} s"}.get(name, name)


def _run_all(cases: Sequence[Callable[[], object]], report: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit = _address_space() + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    peak = _peak()
    for case in cases:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(WAITING)
        outcome = _outcome(case)
        before, peak = peak, _peak()
        if peak - before > MEGABYTES:
            outcome = f"{peak - before} MB, then {outcome}"
        os.write(report, (outcome.replace("\n", " ")[:400] + "\n").encode(errors="replace"))


def _outcome(case: Callable[[], object]) -> str:
    try:
        case()
    except InputError:
        return "InputError"
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "mindrcnn" in frame.filename] or frames
        return f"{type(error).__name__} at {own[-1].filename.split('/src/')[-1]}:{own[-1].lineno}: {error}"
    return "success"


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
