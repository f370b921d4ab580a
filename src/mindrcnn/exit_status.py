"""Exit statuses of the programs, and the frame that each of them runs in.

Nothing here imports MindSpore: programs that do without it start in a fraction of a second.
"""

import gc
import logging
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress

from mindrcnn.engine.signals import EXIT_BASE, StopSignals, program_signals
from mindrcnn.errors import InputError, LostRank
from mindrcnn.tolerant_output import TolerantOutput

EXIT_OK = 0
EXIT_FAILED = 1  # ran to its end, and what it examined or started is not in order
EXIT_INPUT = 2  # bad input; argparse ends with the same status for an unknown option
EXIT_SKIPPED = 3  # finished, but some images could not be read
EXIT_LOST = 4  # another process of the job has ended
EXIT_INTERRUPTED = EXIT_BASE + signal.SIGINT  # stopped with Ctrl-C

# Least address space (ulimit -v) in which MindSpore loads and its threads start; with less it aborts the process.
LEAST_ADDRESS_SPACE = 3 << 30
# New objects between two garbage collections. Importing MindSpore makes half a million that stay, and reading
# annotations as many that go at once: with Python's 700 they are looked through hundreds of times.
YOUNG_OBJECTS = 50_000
REDUCE = (
    "not enough memory: reduce train.batch_size or eval.batch_size, data.buckets with data.short_side, or "
    "data.workers, or end other programs"
)
WITHOUT_MINDSPORE = (
    "wanted the package mindspore for this, got none: run pip install mindspore==2.8.0. Without it, .onnx files are "
    "inferred, evaluated and served, and data sets are examined and converted"
)
_OUT_OF_MEMORY = re.compile(
    r"memory not enough|out of memory|bad_alloc|can't start new thread|cannot allocate"
    r"|AOT kernel\(.*function\(\w+\) is 2\b",  # kFailed of native/kernels/arguments.h
    re.IGNORECASE | re.DOTALL,
)


def run(action: Callable[[], int]) -> int:
    """Runs a program and returns its exit status; bad input becomes one message on stderr and EXIT_INPUT.

    SIGINT and SIGTERM end the program with SystemExit, status 130 and 143; training handles them itself, to save first.
    """
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    try:
        with program_signals(), StopSignals() as signals, signals.immediate():
            return report_bad_input(action)
    except KeyboardInterrupt:
        raise SystemExit(EXIT_INTERRUPTED) from None


def run_network(action: Callable[[], int]) -> int:
    """Does what `run` does, for programs that import MindSpore: they do it inside `action`."""

    def checked() -> int:
        require_address_space()
        return action()

    return run(checked)


def report_bad_input(action: Callable[[], int]) -> int:
    """Does what `run` does, with Python's own handling of signals.

    What cannot be printed ends no program early: its files are written first. A reader that has closed the pipe wanted
    no more; any other failure of standard output, a full disk say, is bad input.
    """
    # A log file on a full disk would print a traceback a line; what has to be on disk raises InputError by itself.
    logging.raiseExceptions = False
    _open_standard_streams()
    output, messages = TolerantOutput(sys.stdout), TolerantOutput(sys.stderr)
    with redirect_stdout(output), redirect_stderr(messages):
        status = _report(action)
        output.flush()
        messages.flush()
    if messages.failure is not None:  # which nobody can be told of
        messages.detach_from_disk()
    if output.failure is not None:
        output.detach_from_disk()
        if not isinstance(output.failure, BrokenPipeError):
            _say(f"cannot write standard output: {output.failure.strerror or output.failure}")
            return status or EXIT_INPUT
    return status


def require_address_space() -> None:
    """Raises InputError if a limit on the address space would end MindSpore while it loads."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise InputError(
            f"ulimit -v: wanted an address space of at least {LEAST_ADDRESS_SPACE >> 20} MB, got {limit >> 20} MB"
        )


def _report(action: Callable[[], int]) -> int:
    try:
        return action()
    except InputError as error:
        _say(str(error))
        return EXIT_INPUT
    except LostRank as error:
        _say(str(error))
        return EXIT_LOST
    except ModuleNotFoundError as error:
        if error.name != "mindspore":
            raise
        _say(WITHOUT_MINDSPORE)
        return EXIT_INPUT
    except MemoryError:
        _say(REDUCE)
        return EXIT_INPUT
    except RuntimeError as error:
        if _OUT_OF_MEMORY.search(str(error)) is None:
            raise
        _say(REDUCE)
        return EXIT_INPUT


def _say(message: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # standard error may be full or closed, too
        sys.stdout.flush()
        sys.stderr.write(f"error: {message}\n")


def _open_standard_streams() -> None:
    """Puts the null device in the place of closed standard streams, whose numbers files would get otherwise."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
