"""Exchange of values between the processes of a job over separate connections.

MindSpore's collectives are for tensors, and on a CPU they fail when one process arrives half a minute after another, as
may happen after an evaluation, a save or a compilation. Here a process waits as long as necessary, and is told at once
when another has ended.
"""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

Gather = Callable[[Any], list[Any]]


def open_rendezvous(rank: int, size: int, share: Gather) -> Gather:
    """Connects all ranks to the first and returns a gather of values that can be pickled, in rank order.

    share: another gather, of small values, used once to tell the others the first one's address.
    """
    if rank > 0:
        (address, key), *_ = share(None)
        connection = Client(address, authkey=key)
        connection.send(rank)
        return lambda value: _exchange_with_first(connection, value)
    key = secrets.token_bytes()
    with Listener((own_address(os.environ), 0), backlog=size, authkey=key) as listener:
        share((listener.address, key))
        connections = [listener.accept() for _ in range(size - 1)]
    others = {connection.recv(): connection for connection in connections}
    return lambda value: _exchange_as_first(others, value)


def own_address(environment: Mapping[str, str]) -> str:
    """Returns the address of the first rank: the scheduler's, on the same machine, or that of the host name."""
    return environment.get("MS_SCHED_HOST") or socket.gethostbyname(socket.gethostname())


def _exchange_as_first(others: Mapping[int, Connection], value: Any) -> list[Any]:
    values = [value] + [None] * len(others)
    for rank in sorted(others):
        values[rank] = _receive(others[rank], rank)
    for rank, connection in others.items():
        try:
            connection.send(values)
        except OSError as error:
            raise RuntimeError(f"rank {rank} has left the job") from error
    return values


def _exchange_with_first(connection: Connection, value: Any) -> list[Any]:
    try:
        connection.send(value)
    except OSError as error:
        raise RuntimeError("rank 0 has left the job") from error
    return _receive(connection, 0)


def _receive(connection: Connection, rank: int) -> Any:
    try:
        return connection.recv()
    except (EOFError, OSError) as error:
        raise RuntimeError(f"rank {rank} has left the job") from error
