"""The port at which the processes of a job find each other."""

import errno
import socket
import time

from mindrcnn.errors import InputError

SCHEDULER_SECONDS = 300.0  # for the scheduler to listen; on a busy machine its imports alone can take a minute
_ATTEMPT_SECONDS = 5.0  # for an address that swallows packets
_PAUSE = 0.1
_LAST_PORT = 65535


def require_free_port(host: str, port: int | str, what: str) -> None:
    """Raises InputError unless this machine can listen at the address; called on the machine of rank 0.

    MindSpore's scheduler tries for minutes before it gives up, and does not name the port.

    what: the option or variable that chooses the port.
    """
    port = _number(port, what)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier job may linger
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise InputError(f"{what}: wanted a free port on {host}, got {port}, which is in use") from error
        raise InputError(f"{what}: wanted an address of this machine, got {host} port {port}: {error}") from error


def wait_for_scheduler(host: str, port: int | str, *, seconds: float = SCHEDULER_SECONDS) -> None:
    """Returns when a process listens at the address.

    MindSpore itself tries to connect every few milliseconds, and the races of its attempts that fail can end the
    process with a segmentation fault (2.8, one start in some hundreds on a busy machine).

    Raises InputError if nothing has listened for `seconds`.
    """
    port = _number(port, "MS_SCHED_PORT")
    end = time.monotonic() + seconds
    left = seconds
    while True:
        try:
            with socket.create_connection((host, port), timeout=min(left, _ATTEMPT_SECONDS)):
                return
        except (OSError, UnicodeError) as error:
            left = end - time.monotonic() - _PAUSE
            if left <= 0:
                raise InputError(
                    f"MS_SCHED_HOST, MS_SCHED_PORT: wanted MindSpore's scheduler at {host} port {port} within "
                    f"{seconds:.0f} s, got: {error}"
                ) from error
        time.sleep(_PAUSE)


def _number(port: int | str, what: str) -> int:
    """Returns a port as a number. Raises InputError for a larger one, which the system would cut to 16 bits."""
    text = str(port)
    if not text.isdecimal() or len(text) > len(str(_LAST_PORT)) or int(text) > _LAST_PORT:
        raise InputError(f"{what}: wanted a port from 0 to {_LAST_PORT}, got {text}")
    return int(text)
