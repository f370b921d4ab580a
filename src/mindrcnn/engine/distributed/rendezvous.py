"""Exchange of values between the processes of a job over separate connections.

MindSpore's collectives are for tensors, and on a CPU they fail when one process arrives half a minute after another, as
may happen after an evaluation, a save or a compilation. Here a process waits as long as necessary, and is told at once
when another has ended. Values are pickled, and unpickled only from connections that have proved to know the job's key.
"""

import contextlib
import json
import os
import secrets
import select
import socket
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from mindrcnn.engine.distributed.handshake import accept_ranks, prove
from mindrcnn.errors import InputError, LostRank

Gather = Callable[[Any], list[Any]]
Share = Callable[[bytes | None], list[bytes | None]]

JOIN_SECONDS = 120.0  # for all ranks to connect; they start at the same time, after MindSpore has connected them
_LEAST_WAIT = 1.0  # of the last attempt to connect
FAREWELL = 10.0  # seconds in which the end of another rank shows, after an operation with it has failed
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))  # a machine that vanished


class Rendezvous:
    """A gather of values that can be pickled, in rank order; `others` are the connections by rank.

    The first rank has one to each of the others, the others have one to the first.
    """

    def __init__(self, rank: int, others: Mapping[int, socket.socket]) -> None:
        self.rank = rank
        self.others = {number: Connection(others[number].detach()) for number in sorted(others)}

    def __call__(self, value: Any) -> list[Any]:
        """Returns the values of all ranks. Raises LostRank if one has ended."""
        if self.rank > 0:
            self._send(0, value)
            values: list[Any] = self._receive(0)
            return values
        values = [value, *(self._receive(number) for number in self.others)]
        for number in self.others:
            self._send(number, values)
        return values

    def find_lost(self, seconds: float = FAREWELL) -> int | None:
        """Returns the first rank whose connection ends within `seconds`, None if none does."""
        end = time.monotonic() + seconds
        while True:
            for number, connection in self.others.items():
                if _has_ended(connection):
                    return number
            if time.monotonic() > end:
                return None
            time.sleep(0.05)

    def _send(self, number: int, value: Any) -> None:
        try:
            self.others[number].send(value)
        except OSError as error:
            raise LostRank(f"rank {number} has left the job") from error

    def _receive(self, number: int) -> Any:
        try:
            return self.others[number].recv()
        except (EOFError, OSError) as error:
            raise LostRank(f"rank {number} has left the job") from error


def open_rendezvous(rank: int, size: int, share: Share) -> Rendezvous:
    """Connects all ranks to the first.

    share: a gather of texts of less than 512 bytes, used once to tell the others the first one's address and key.
    Raises InputError if ranks do not come, or the first cannot be reached.
    """
    if rank > 0:
        told, *_ = share(None)
        assert told is not None
        host, port, key = json.loads(told)
        return Rendezvous(rank, {0: _connect(host, port, bytes.fromhex(key), rank)})
    key = secrets.token_bytes(32)
    host = own_address(os.environ)
    with _listen(host, size) as listener:
        port = listener.getsockname()[1]
        share(json.dumps([host, port, key.hex()]).encode())
        found = accept_ranks(listener, key, size, seconds=JOIN_SECONDS)
    missing = [number for number in range(1, size) if number not in found]
    if missing:
        raise InputError(
            f"wanted {size - 1} other ranks to connect to rank 0 at {host} port {port} within {JOIN_SECONDS:.0f} s, "
            f"got nothing from rank {', '.join(map(str, missing))}; is that address closed to them?"
        )
    return Rendezvous(rank, {number: _prepared(connection) for number, connection in found.items()})


def own_address(environment: Mapping[str, str]) -> str:
    """Returns the address of the first rank: the scheduler's, on the same machine, or that of the host name."""
    try:
        return environment.get("MS_SCHED_HOST") or socket.gethostbyname(socket.gethostname())
    except OSError as error:
        raise InputError(f"wanted an address of this machine, {socket.gethostname()}, got: {error}") from error


def _listen(host: str, size: int) -> socket.socket:
    try:
        return socket.create_server((host, 0), backlog=max(size, 128))
    except OSError as error:
        raise InputError(
            f"MS_SCHED_HOST: wanted an address of rank 0's machine, {socket.gethostname()}, got {host}: {error}"
        ) from error


def _connect(host: str, port: int, key: bytes, rank: int) -> socket.socket:
    end = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=max(end - time.monotonic(), _LEAST_WAIT))
            if prove(connection, key, rank):
                return _prepared(connection)
            reason = "it does not know the key of the job"
        except OSError as error:
            reason = str(error)
        if time.monotonic() > end:
            raise InputError(f"rank {rank}: wanted a connection to rank 0 at {host} port {port}, got none: {reason}")
        time.sleep(0.5)


def _prepared(connection: socket.socket) -> socket.socket:
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    return connection


def _has_ended(connection: Connection) -> bool:
    """Tells whether the other end is closed, without taking what it may have sent."""
    with contextlib.suppress(OSError):
        readable, _, _ = select.select([connection.fileno()], [], [], 0)
        if not readable:
            return False
        with socket.socket(fileno=os.dup(connection.fileno())) as peer:
            return not peer.recv(1, socket.MSG_PEEK)
    return True
