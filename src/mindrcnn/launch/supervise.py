"""Supervision of a job: all of its processes are ended when one fails or a signal arrives.

msrun and mpirun supervise their workers too, but msrun waits for its scheduler after a worker's death, the processes
of a rank table have no supervisor, and none of them reports which rank failed first and why.
"""

import math
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from mindrcnn import paths
from mindrcnn.engine.distributed.environment import CONNECTED, FINISHED
from mindrcnn.engine.signals import EXIT_BASE, STOPPING
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_FAILED, EXIT_OK
from mindrcnn.launch.commands import Command, Job
from mindrcnn.launch.guard import Guard
from mindrcnn.launch.logs import LAUNCHER_LOG, claim_log_folder, remove_logs
from mindrcnn.launch.workers import EndedRank, Workers
from mindrcnn.outputs import MARK

POLL = 0.2  # seconds; msrun collects its workers' status every second, after which nobody else can read it
# Seconds in which the rest of a job may end by itself: after a rank has failed; after all ranks have ended; after one
# has succeeded, because MindSpore can take minutes to shut down on a busy machine.
FAILURE_GRACE, END_GRACE, LEAVE_GRACE = 5.0, 30.0, 600.0
STOP_GRACE = 300.0  # seconds to finish the step and save after a signal
# MindSpore sends SIGTERM to its own process then.
UNASKED = "the launcher sent no signal: somebody else did, or the rank lost the scheduler or another rank for too long"
LOG_TAIL = 20  # lines of a log in a message
# MindSpore crashes now and then on a busy machine while it connects the processes, or closes the connections (races of
# its sockets, seen in 2.8). Before the work nothing is lost, and the job is started again; after it nothing is missing.
CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT)
STARTS = 3


class Supervisor:
    """Runs the commands of a job and shows the first local rank's log.

    job: the processes.
    commands: what to start.
    force: whether logs that are not of a job may be replaced.
    """

    def __init__(self, job: Job, commands: Sequence[Command], *, force: bool = False) -> None:
        self.job = job
        self.commands = commands
        self.force = force
        self.workers = Workers()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.stopped_by: signal.Signals | None = None
        self.repeated = False
        self._shown = 0
        self._guard: Guard | None = None

    def run(self) -> int:
        """Runs the job and returns its status: 0, that of the rank that failed first, or 130 or 143 after a signal."""
        previous = {number: signal.signal(number, self._on_signal) for number in STOPPING}
        try:
            statuses = self._run_once()
            for start in range(2, STARTS + 1):
                if not self._crashed_connecting():
                    break
                report(f"{self.workers.first_failure()} while MindSpore connected the ranks; start {start} of {STARTS}")
                statuses = self._run_once()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        return self._finish(statuses)

    def _run_once(self) -> list[int | None]:
        """Starts the processes and returns, once none is left, the status of each that ended by itself."""
        self.workers, self.processes, self._shown = Workers(), [], 0
        try:
            self._start()
            statuses = self._watch()
            self.workers.complete(log_text(self.commands[0].output))
            for command, status in zip(self.commands, statuses, strict=True):
                if command.rank is not None and status is not None:
                    self.workers.ended[command.rank] = EndedRank.of_status(command.rank, status)
            return statuses
        finally:
            self.workers.kill()
            for process in self.processes:
                process.kill()
                process.wait()
            if self._guard is not None:
                self._guard.close()
                self._guard = None

    def _crashed_connecting(self) -> bool:
        failure = self.workers.first_failure()
        if self.stopped_by is not None or failure is None or failure.signal not in CRASHES:
            return False
        on_one_machine = self.job.local_devices == self.job.devices  # the other launchers would not start again
        return on_one_machine and not has_line(self.job.worker_log(failure.rank), f"{CONNECTED}:")

    def _finished(self) -> bool:
        """Tells whether every process of this machine has said that its work is done."""
        return all(has_line(self.job.worker_log(rank), f"{FINISHED}:") for rank in self.job.local_ranks)

    def _start(self) -> None:
        claim_log_folder(self.job.log_dir, force=self.force)
        remove_logs(map(self.job.worker_log, self.job.local_ranks))  # an earlier job's would be shown for this one's
        with start_told(sys.executable):
            self._guard = Guard(secrets.token_hex(16))
        for command in self.commands:
            for alias in command.aliases:
                alias.make()
            with open_output(command.output) as output, start_told(command.words[0]):
                # In its own session, so that Ctrl-C reaches the workers once, through this process, and lets them save.
                self.processes.append(
                    subprocess.Popen(
                        command.words,
                        env={**os.environ, **command.environment, **self._guard.environment},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )

    def _watch(self) -> list[int | None]:
        """Returns the status of each process, None if it had to be ended."""
        deadline = math.inf
        while True:
            self.workers.update([process.pid for process in self.processes if process.returncode is None])
            self._show_log()
            statuses = [process.poll() for process in self.processes]
            now = time.monotonic()
            if all(status is not None for status in statuses):
                return statuses
            deadline = min(deadline, self._deadline(statuses, now))
            nothing_begun = self.stopped_by is not None and not self.workers.known
            if self.repeated or nothing_begun or now > deadline:
                return statuses
            time.sleep(POLL)

    def _deadline(self, statuses: Sequence[int | None], now: float) -> float:
        """Returns the time at which the rest of the job is ended; infinity while nothing has gone wrong."""
        if self.stopped_by is not None:
            return now + STOP_GRACE
        failure = self.workers.first_failure()
        if any(statuses) or (failure is not None and failure.code is not None):
            return now + FAILURE_GRACE
        if not self.workers.ended:
            return math.inf
        # A rank whose status could not be read in time succeeded too, or msrun or mpirun would have ended the others.
        return now + (LEAVE_GRACE if self.workers.running() else END_GRACE)

    def _finish(self, statuses: Sequence[int | None]) -> int:
        """Reports how the job ended and returns its status."""
        if self.stopped_by is not None:
            report(f"stopped by {self.stopped_by.name}")
            return EXIT_BASE + self.stopped_by
        if all(status == 0 for status in statuses):
            self._show_log()
            return EXIT_OK
        failure = self.workers.first_failure() or self.workers.first_ended()
        if failure is not None and failure.signal in CRASHES and self._finished():
            self._show_log()
            report(f"{failure} while MindSpore closed its connections; every rank had finished before")
            return EXIT_OK
        if failure is None and self.workers.ended:  # only the launcher itself has not ended
            self._show_log()
            return EXIT_OK
        if failure is None:
            report(f"error: {self.commands[0].words[0]} ended with status {statuses[0]}, before any rank had failed"
                f"{log_tail(self.commands[0].output)}")  # fmt: skip
            return EXIT_FAILED
        running = self.workers.running()
        others = f"; {len(running)} others were still running and were ended" if running else ""
        # If the launcher took the worker's status before it could be read here, the launcher's log has it.
        launcher = log_tail(self.commands[0].output) if failure.code is None and self.commands[0].rank is None else ""
        status = failure.code >> 8 if failure.code else 0
        unasked = f"; {UNASKED}" if status - EXIT_BASE in STOPPING else ""
        without = ", after MindSpore's scheduler had ended" if self.workers.lost_scheduler else ""
        report(f"error: {failure}{without}{unasked}{others}{log_tail(self.job.worker_log(failure.rank))}{launcher}")
        return EXIT_FAILED if unasked else status or EXIT_FAILED

    def _show_log(self) -> None:
        """Copies what the log has gained since the last call to standard output, until another rank has failed.

        What this rank says after that is about the consequences, and would hide the reason.
        """
        shown = self.job.local_ranks[0]
        failure = self.workers.first_failure()
        if failure is not None and failure.rank != shown:
            return
        log = self.job.worker_log(shown)
        if paths.is_file(log):
            with paths.open_file(log) as file:
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


def open_output(path: Path) -> BinaryIO:
    """Opens the file for the output of a process. Raises InputError if it cannot be written."""
    try:
        return open(path, "ab" if path.name == LAUNCHER_LOG else "wb")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def start_told(program: str) -> Iterator[None]:
    """Raises InputError if a program cannot be started in the block: it is absent, or there is no room for it."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL character in an argument
        raise InputError(f"cannot start {program}: {error}") from error


def report(text: str) -> None:
    """Writes a message of the launcher itself to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def has_line(log: Path, beginning: str) -> bool:
    """Tells whether a line of the log begins with the text."""
    return any(line.startswith(beginning) for line in log_text(log).splitlines())


def log_text(log: Path) -> str:
    """Returns the text of a log; empty if it cannot be read."""
    try:
        return paths.read_bytes(log).decode(errors="replace")
    except InputError:
        return ""


def log_tail(log: Path) -> str:
    """Returns the last lines of a log, for a message."""
    lines = log_text(log).removeprefix(f"{MARK}\n").splitlines()[-LOG_TAIL:]
    if not lines:
        return f"; {log} is empty"
    return f"; the end of {log}:\n" + "\n".join(f"  {line}" for line in lines)
