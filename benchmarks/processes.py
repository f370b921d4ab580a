"""Worker processes: started, told to run, and stopped (SIGSTOP) while another one runs."""

from __future__ import annotations

import json
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.case import Case, Side

REPOSITORY = Path(__file__).resolve().parents[1]
ANSWER_SECONDS = 900.0  # a worker that takes longer hangs
END_SECONDS = 10.0


def worker_command(side: Side, case: Case, *, threads: int) -> list[str]:
    """Returns the command line of benchmarks/worker.py."""
    return [sys.executable, "-m", "benchmarks.worker", side, case.to_json(), str(threads)]


class WorkerError(Exception):
    """Failure of a worker, with its own message."""


class Worker:
    """One side of a case in its own process.

    Between runs the process is suspended, so that threads of a library that spin while waiting for work take no time
    from the other side, and every library keeps its own settings.

    command: a program that answers as benchmarks/worker.py does.
    log: file for its standard error.
    """

    def __init__(self, side: Side, command: Sequence[str], *, log: Path) -> None:
        self.side = side
        self.log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self.buffer = b""
        self.paused = False

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ready(self) -> Mapping[str, Any]:
        """Returns the worker's report once it is built and has run once."""
        report = self._answer()
        self._pause()
        return report

    def run(self) -> Mapping[str, Any]:
        """Runs once; returns the seconds, and the process's peak memory so far in bytes."""
        self._resume()
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(b"run\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerError(self._last_words()) from error
        report = self._answer()
        self._pause()
        return report

    def close(self) -> None:
        """Ends the process, which exits by itself when its input is closed."""
        self._resume()
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(END_SECONDS)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def _pause(self) -> None:
        if not self.paused:
            self.process.send_signal(signal.SIGSTOP)
            self.paused = True

    def _resume(self) -> None:
        if self.paused:
            self.process.send_signal(signal.SIGCONT)
            self.paused = False

    def _answer(self) -> Mapping[str, Any]:
        line = self._line(time.monotonic() + ANSWER_SECONDS)
        answer: Mapping[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.side}: {answer['error']} (log: {self.log})")
        return answer

    def _line(self, deadline: float) -> bytes:
        stream = self.process.stdout
        assert stream is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while b"\n" not in self.buffer:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    self.process.kill()
                    raise WorkerError(f"{self.side}: no answer in {ANSWER_SECONDS:.0f} s (log: {self.log})")
                chunk = stream.read1(1 << 16)  # type: ignore[attr-defined]
                if not chunk:
                    raise WorkerError(self._last_words())
                self.buffer += chunk
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def _last_words(self) -> str:
        status = self.process.wait()
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{self.side}: ended with status {status}: {lines[-1] if lines else 'nothing said'} (log: {self.log})"
