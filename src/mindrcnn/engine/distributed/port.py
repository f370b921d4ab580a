"""The port at which the processes of a job find each other."""

import errno
import socket

from mindrcnn.errors import InputError


def require_free_port(host: str, port: int | str, what: str) -> None:
    """Raises InputError unless this machine can listen at the address; called on the machine of rank 0.

    MindSpore's scheduler tries for minutes before it gives up, and does not name the port.

    what: the option or variable that chooses the port.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier job may linger
            probe.bind(address)
    except (OSError, UnicodeError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise InputError(f"{what}: wanted a free port on {host}, got {port}, which is in use") from error
        raise InputError(f"{what}: wanted an address of this machine, got {host} port {port}: {error}") from error
