"""The end of a job whose launcher is gone: a program that runs beside the job and kills what is left of it.

Its standard input is a pipe that only the launcher holds open, so it ends with the launcher, however that is killed.
It uses the standard library alone, and starts in a few milliseconds.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

JOB_VARIABLE = "MINDRCNN_JOB"  # in the environment of every process of a job, inherited from those that it starts
ROUNDS, PAUSE = 20, 0.05  # processes may be starting others while they are being killed


class Guard:
    """The running program, and the variable that marks the processes of its job."""

    def __init__(self, token: str) -> None:
        self.environment = {JOB_VARIABLE: token}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__)), token],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # neither Ctrl-C nor the end of the launcher's terminal reaches it
        )

    def close(self) -> None:
        """Kills what is left of the job, and the guard, which is not needed for it."""
        kill_job(self.environment[JOB_VARIABLE])
        self._process.kill()
        self._process.wait()


def wait_for_launcher() -> None:
    """Returns when no process holds the other end of standard input any more."""
    while os.read(sys.stdin.fileno(), 1):
        pass


def kill_job(token: str) -> None:
    """Kills every process of this user whose environment has the job's variable, until none is left."""
    for _ in range(ROUNDS):
        found = [pid for pid in running() if belongs(pid, token)]
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(PAUSE)


def running() -> list[int]:
    """Returns the numbers of all other processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal() and int(name) != os.getpid()]


def belongs(pid: int, token: str) -> bool:
    """Tells whether a process has the job's variable; a process that has ended has no environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{JOB_VARIABLE}={token}".encode() in file.read().split(b"\0")
    except OSError:
        return False


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wait_for_launcher()
    kill_job(sys.argv[1])
