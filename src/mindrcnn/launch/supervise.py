"""Runs a job's processes to their end, and ends them all when one fails or a signal comes.

msrun and mpirun watch their workers too, but msrun waits for its scheduler after a worker's death, a rank table's
processes have nobody to watch them, and none of them says which rank failed first and why.
"""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from mindrcnn.engine.signals import EXIT_BASE, STOPPING
from mindrcnn.launch.commands import Command, Job
from mindrcnn.launch.workers import Gone, Workers

POLL = 0.2  # seconds; msrun asks for its workers' status every second, which then cannot be read any more
# Seconds in which the rest of a job may end by itself: after a rank has failed; after all ranks have ended; after one
# has ended well, as MindSpore takes its time to shut down on a busy machine.
FAILURE_GRACE, END_GRACE, LEAVE_GRACE = 5.0, 30.0, 600.0
STOP_GRACE = 300.0  # seconds to finish the step and save after a signal
LOG_TAIL = 20  # lines of a log in a message
EXIT_FAILED = 1


class Supervisor:
    """Runs the commands of a job and shows the first local rank's log."""

    def __init__(self, job: Job, commands: Sequence[Command]) -> None:
        self.job = job
        self.commands = commands
        self.workers = Workers()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.stopped_by: signal.Signals | None = None
        self.repeated = False
        self._shown = 0

    def run(self) -> int:
        """The status of the job: 0, or of the rank that failed first, or 130 and 143 after SIGINT and SIGTERM."""
        previous = {number: signal.signal(number, self._on_signal) for number in STOPPING}
        try:
            self._start()
            status = self._watch()
        finally:
            self.workers.kill()
            for process in self.processes:
                process.kill()
                process.wait()
            for number, handler in previous.items():
                signal.signal(number, handler)
        self._show_log()
        return status

    def _start(self) -> None:
        self.job.log_dir.mkdir(parents=True, exist_ok=True)
        for command in self.commands:
            with open(command.output, "wb") as output:
                # In a session of its own: Ctrl-C reaches the workers through this process, once, and lets them save.
                self.processes.append(
                    subprocess.Popen(
                        command.words,
                        env={**os.environ, **command.environment},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def _watch(self) -> int:
        deadline = math.inf
        while True:
            self.workers.update([process.pid for process in self.processes if process.returncode is None])
            self._show_log()
            statuses = [process.poll() for process in self.processes]
            now = time.monotonic()
            if all(status is not None for status in statuses):
                return self._ended(statuses)
            deadline = min(deadline, self._deadline(statuses, now))
            if self.repeated or now > deadline:
                return self._ended(statuses)
            time.sleep(POLL)

    def _deadline(self, statuses: Sequence[int | None], now: float) -> float:
        """When what is left of the job is ended; never while all goes well."""
        if self.stopped_by is not None:
            return now + STOP_GRACE
        failure = self.workers.first_failure()
        if any(statuses) or (failure is not None and failure.code is not None):
            return now + FAILURE_GRACE
        if not self.workers.gone:
            return math.inf
        # One whose status could not be read in time has ended well too, or msrun or mpirun would have ended the others.
        return now + (LEAVE_GRACE if self.workers.running() else END_GRACE)

    def _ended(self, statuses: Sequence[int | None]) -> int:
        """Reports how the job ended and returns its status."""
        if self.stopped_by is not None:
            say(f"stopped by {self.stopped_by.name}")
            return EXIT_BASE + self.stopped_by
        if all(status == 0 for status in statuses):
            return 0
        for command, status in zip(self.commands, statuses, strict=True):
            if command.rank is not None and status is not None:
                self.workers.gone[command.rank] = Gone(command.rank, -status if status < 0 else status << 8)
        failure = self.workers.first_failure() or self.workers.first_to_leave()
        if failure is None and self.workers.gone:
            return 0  # the launcher itself did not come to its end
        if failure is None:
            say(f"error: {self.commands[0].words[0]} ended with status {statuses[0]}, before any rank had failed"
                f"{ending_of(self.commands[0].output)}")  # fmt: skip
            return EXIT_FAILED
        running = self.workers.running()
        others = f"; {len(running)} others were still running and were ended" if running else ""
        # A launcher that took the status of its worker before it could be read here says what it was.
        launcher = ending_of(self.commands[0].output) if failure.code is None and self.commands[0].rank is None else ""
        say(f"error: {failure}{others}{ending_of(self.job.worker_log(failure.rank))}{launcher}")
        return failure.code >> 8 if failure.code and failure.code >> 8 else EXIT_FAILED

    def _show_log(self) -> None:
        """What has come since the last time."""
        log = self.job.worker_log(self.job.node_rank * self.job.local_devices)
        if log.is_file():
            with open(log, "rb") as file:
                file.seek(self._shown)
                new = file.read()
            self._shown += len(new)
            sys.stdout.write(new.decode(errors="replace"))
            sys.stdout.flush()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.stopped_by is not None:
            self.repeated = True
            return
        self.stopped_by = signal.Signals(number)
        self.workers.send(number)


def say(text: str) -> None:
    """A message of the launcher itself."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def ending_of(log: Path) -> str:
    """The last lines of a log, for a message."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL:]
    except OSError:
        lines = []
    if not lines:
        return f"; {log} says nothing"
    return f"; the end of {log}:\n" + "\n".join(f"  {line}" for line in lines)
