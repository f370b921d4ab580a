"""The workers of a running job: the ranks that run, and the exit status of those that ended."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from mindrcnn.exit_status import EXIT_LOST

RANK_VARIABLES = ("RANK_ID", "OMPI_COMM_WORLD_RANK")
SIGNAL_BITS = 0x7F  # of a wait status; the exit status is in the bits from 8 on
_TAKEN = re.compile(r"Worker process (\d+) exit with exception\. Error code: (-?\d+)")  # in the log of msrun
EXIT_CODE_FIELD = 51  # of /proc/PID/stat, counted from 0


@dataclass(frozen=True)
class EndedRank:
    """A rank whose process has ended; `code` is its wait status, or None if it could not be read in time."""

    rank: int
    code: int | None

    @classmethod
    def of_status(cls, rank: int, status: int) -> EndedRank:
        """Returns a rank whose process ended with a status as `subprocess` gives it: a signal's is negative."""
        return cls(rank, -status if status < 0 else status << 8)

    @property
    def succeeded(self) -> bool:
        """Whether it is known to have ended with status 0."""
        return self.code == 0

    @property
    def killed(self) -> bool:
        """Whether a signal is known to have ended it."""
        return self.signal is not None

    @property
    def signal(self) -> signal.Signals | None:
        """The signal known to have ended it."""
        number = 0 if self.code is None else self.code & SIGNAL_BITS
        return signal.Signals(number) if number else None

    @property
    def lost_another(self) -> bool:
        """Whether it ended because another rank had."""
        return self.code is not None and self.code >> 8 == EXIT_LOST

    def __str__(self) -> str:
        if self.code is None:
            return f"rank {self.rank} ended"
        if self.signal is not None:
            return f"rank {self.rank} was ended by {self.signal.name}"
        return f"rank {self.rank} ended with status {self.code >> 8}"


class Workers:
    """Finds a launcher's workers among its descendants and remembers in which order they ended."""

    def __init__(self) -> None:
        self.known: dict[int, psutil.Process] = {}
        self.family: dict[int, psutil.Process] = {}  # every descendant seen, to be ended with the job
        self.ended: dict[int, EndedRank] = {}
        self.lost_scheduler = False  # whether MindSpore's scheduler ended before any rank had
        self._scheduler: psutil.Process | None = None
        self._sent: int | None = None

    def update(self, launchers: list[int]) -> None:
        """Records new and ended processes; must be called more often than launchers reap their processes."""
        for pid in launchers:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                for member in [process, *process.children(recursive=True)]:
                    self._register(member)
        if not self.ended and self.known and self._scheduler is not None and _has_ended(self._scheduler):
            self.lost_scheduler = True
        ended = [
            EndedRank(rank, _exit_code(process.pid))
            for rank, process in self.known.items()
            if rank not in self.ended and _has_ended(process)
        ]
        # Of several at once, one whose status the launcher has already taken comes first: the launcher knew of its end
        # before it ended the others. One that was killed brought the others down rather than the other way round.
        ended.sort(key=lambda one: (one.code is not None, not one.killed, one.lost_another))
        self.ended.update({one.rank: one for one in ended})

    def complete(self, launcher_log: str) -> None:
        """Adds the statuses that could not be read in time, as far as msrun, which has taken them, says them."""
        said = {int(pid): int(status) for pid, status in _TAKEN.findall(launcher_log)}
        for rank, ended in self.ended.items():
            status = said.get(self.known[rank].pid) if rank in self.known else None
            if ended.code is None and status is not None:
                self.ended[rank] = EndedRank.of_status(rank, status)

    def first_failure(self) -> EndedRank | None:
        """Returns the first rank that ended without success, rather one that did not end because another had."""
        failed = [one for one in self.ended.values() if not one.succeeded]
        return next((one for one in failed if not one.lost_another), failed[0] if failed else None)

    def first_ended(self) -> EndedRank | None:
        """Returns the first rank that ended, in whatever way, if others still run."""
        return next(iter(self.ended.values())) if self.ended and self.running() else None

    def running(self) -> list[int]:
        """Returns the ranks that have not ended."""
        return [rank for rank in self.known if rank not in self.ended]

    def send(self, number: int) -> None:
        """Sends a signal to every running worker, and to those that are found later."""
        self._sent = number
        for rank in self.running():
            _signal(self.known[rank], number)

    def kill(self) -> None:
        """Kills every remaining process of the job, launchers included."""
        for process in self.family.values():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _register(self, process: psutil.Process) -> None:
        self.family[process.pid] = process
        if process in self.known.values():
            return
        environment = _environment(process)
        if environment.get("MS_ROLE") == "MS_SCHED":
            self._scheduler = self._scheduler or process
            return
        rank = _rank(environment)
        if rank is not None and rank not in self.known:  # a worker's own children have its environment too
            self.known[rank] = process
            if self._sent is not None:
                _signal(process, self._sent)


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def _rank(environment: Mapping[str, str]) -> int | None:
    """Returns the rank in a worker's environment; None for helpers."""
    text = next((environment[name] for name in RANK_VARIABLES if name in environment), "")
    return int(text) if text.isdecimal() else None


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _exit_code(pid: int) -> int | None:
    """Returns the wait status of a process whose parent has not collected it yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            after_name = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(after_name[EXIT_CODE_FIELD - 2]) if after_name[0] == "Z" else None
