"""The lock of a run folder, held by the process that writes into it: a second training run there is an error.

The file `run.lock` is locked with flock, which the system releases when the process ends in whatever way, and names
the process. A network file system may know flock on one machine only, or not at all; so the file also has a count that
its owner raises every few seconds, and one that another machine left is taken over only if its count stands still.
"""

import errno
import fcntl
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import UNFINISHED
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

LOCK = "run.lock"
BEAT = 5.0  # seconds between two signs of life
SILENCE = 2.5 * BEAT  # without a sign of life, after which an owner on another machine counts as ended
_UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOLCK)
_RECORD_BYTES = 512  # room for a record, always written whole


@dataclass(frozen=True)
class Owner:
    """The process that holds a lock; `started` tells it from a later one with its number."""

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Holds the lock of an existing run folder. Raises InputError that names its owner if another process has it."""
    path = folder / LOCK
    descriptor, certain = _open_locked(folder, path)
    stopped = threading.Event()
    try:
        _refuse_if_alive(folder, descriptor, certain=certain)
        UNFINISHED.add(path)
        _write(descriptor, this_process(), 0)
        beating = threading.Thread(target=_beat, args=(descriptor, stopped), name="run-lock", daemon=True)
        beating.start()
        try:
            yield
        finally:
            stopped.set()
            beating.join()
            UNFINISHED.discard(path)
            path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


def is_vacant(folder: Path) -> bool:
    """Tells whether a folder holds nothing but, perhaps, a lock."""
    return all(path.name == LOCK for path in paths.list_folder(folder))


def this_process() -> Owner:
    """Returns the owner that this process is."""
    return Owner(socket.gethostname(), os.getpid(), _started(os.getpid()))


def _open_locked(folder: Path, path: Path) -> tuple[int, bool]:
    """Returns the lock file, and whether flock works on its file system. Raises InputError if another has it locked."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from error
        certain = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                owner = _read(descriptor)
                os.close(descriptor)
                raise _in_use(folder, owner and owner[0]) from error
            certain = False
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor, certain
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise paths.refusal(path, error) from error
        os.close(descriptor)  # its owner has removed it meanwhile


def _refuse_if_alive(folder: Path, descriptor: int, *, certain: bool) -> None:
    """Raises InputError if the owner that the file names, if any, still runs; certain: flock says that it does not."""
    record = _read(descriptor)
    if record is None:
        return
    owner, count = record
    if owner.host == socket.gethostname():
        if not certain and _started(owner.pid) == owner.started != "":
            raise _in_use(folder, owner)
    else:
        logger.info("%s: left by %s; waiting %.0f s for a sign of life", folder / LOCK, owner, SILENCE)
        end = time.monotonic() + SILENCE
        while time.monotonic() < end:
            time.sleep(BEAT / 10)
            if _read_again(folder) != (owner, count):
                raise _in_use(folder, owner)
    logger.info("%s: %s has ended without removing it", folder / LOCK, owner)


def _in_use(folder: Path, owner: Owner | None) -> InputError:
    return InputError(
        f"{folder}: wanted a run folder that no other training run writes to, got one in use by "
        f"{owner or 'another process'}"
    )


def _read_again(folder: Path) -> tuple[Owner, int] | None:
    """Reads the record through a new descriptor, since a network file system may answer the old one from memory."""
    try:
        with paths.open_file(folder / LOCK) as file:
            return _read(file.fileno())
    except InputError:
        return None


def _read(descriptor: int) -> tuple[Owner, int] | None:
    try:
        record = json.loads(os.pread(descriptor, _RECORD_BYTES, 0))
        return Owner(str(record["host"]), int(record["pid"]), str(record["started"])), int(record["count"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None


def _write(descriptor: int, owner: Owner, count: int) -> None:
    text = json.dumps({**asdict(owner), "count": count})
    os.pwrite(descriptor, text.encode().ljust(_RECORD_BYTES - 1)[: _RECORD_BYTES - 1] + b"\n", 0)


def _beat(descriptor: int, stopped: threading.Event) -> None:
    count, owner = 0, this_process()
    while not stopped.wait(BEAT):
        count += 1
        try:
            _write(descriptor, owner, count)
            os.fsync(descriptor)
        except OSError as error:  # a full disk must not end the run here
            logger.debug("cannot write the lock: %s", error)


def _started(pid: int) -> str:
    """Returns when a process of this machine started, in the system's own units; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            after_name = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    state, start = after_name[0], after_name[19]
    return "" if state == "Z" else start
