"""Proof, between two processes of one job, that both know its key; nothing else of what either sends is looked at.

The first rank sends a challenge to whoever connects. A rank answers with its number, a challenge of its own and the
HMAC of all three under the key, and gets the HMAC of its challenge back. Connections that do not answer so are dropped:
those of port scanners, of other programs, and of ranks of another job.
"""

import hmac
import secrets
import selectors
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

CHALLENGE_BYTES = 32
_RANK = struct.Struct("<I")
_PROOF_BYTES = 32  # of HMAC-SHA256
_ANSWER_BYTES = _RANK.size + CHALLENGE_BYTES + _PROOF_BYTES
ANSWER_SECONDS = 10.0  # for a connection to prove itself
MOST_UNPROVEN = 256  # connections at a time; beyond, the oldest is dropped


@dataclass
class _Unproven:
    connection: socket.socket
    challenge: bytes
    deadline: float
    received: bytearray = field(default_factory=bytearray)


def accept_ranks(listener: socket.socket, key: bytes, size: int, *, seconds: float) -> dict[int, socket.socket]:
    """Accepts connections until each rank from 1 to `size` - 1 has proved that it knows the key.

    Returns those that have within `seconds`, by rank: all of them unless the time ran out.
    """
    end = time.monotonic() + seconds
    proven: dict[int, socket.socket] = {}
    unproven: dict[int, _Unproven] = {}
    listener.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while len(proven) < size - 1 and time.monotonic() < end:
            for ready, _ in selector.select(0.1):
                if ready.fileobj is listener:
                    _accept(listener, selector, unproven)
                elif (one := unproven.get(ready.fd)) is not None:
                    _receive(one, key, size, selector, unproven, proven)
            now = time.monotonic()
            for one in [one for one in unproven.values() if now > one.deadline]:
                _drop(one, selector, unproven)
        for one in list(unproven.values()):
            _drop(one, selector, unproven)
    return proven


def prove(connection: socket.socket, key: bytes, rank: int) -> bool:
    """Answers the challenge of the first rank and tells whether that rank knows the key, too."""
    challenge = _read(connection, CHALLENGE_BYTES)
    own = secrets.token_bytes(CHALLENGE_BYTES)
    number = _RANK.pack(rank)
    connection.sendall(number + own + _proof(key, b"rank", challenge, number, own))
    return hmac.compare_digest(_read(connection, _PROOF_BYTES), _proof(key, b"first", own))


def _proof(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), "sha256")


def _read(connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise ConnectionError("the connection was closed")
        received += part
    return bytes(received)


def _accept(listener: socket.socket, selector: selectors.BaseSelector, unproven: dict[int, _Unproven]) -> None:
    try:
        connection, _ = listener.accept()
    except OSError:  # closed again already, or no descriptor is left for it
        if unproven:
            _drop(next(iter(unproven.values())), selector, unproven)
        return
    if len(unproven) >= MOST_UNPROVEN:
        _drop(next(iter(unproven.values())), selector, unproven)
    connection.setblocking(False)
    one = _Unproven(connection, secrets.token_bytes(CHALLENGE_BYTES), time.monotonic() + ANSWER_SECONDS)
    try:
        connection.send(one.challenge)  # a new connection has room for it
    except OSError:
        connection.close()
        return
    unproven[connection.fileno()] = one
    selector.register(connection, selectors.EVENT_READ)


def _receive(
    one: _Unproven,
    key: bytes,
    size: int,
    selector: selectors.BaseSelector,
    unproven: dict[int, _Unproven],
    proven: dict[int, socket.socket],
) -> None:
    """Takes what has arrived; a whole and right answer makes the connection a rank's."""
    try:
        part = one.connection.recv(_ANSWER_BYTES - len(one.received))
    except OSError:
        part = b""
    one.received += part
    if part and len(one.received) < _ANSWER_BYTES:
        return
    rank = _proven_rank(one, key, size, proven) if part else None
    if rank is None:
        _drop(one, selector, unproven)
        return
    selector.unregister(one.connection)
    del unproven[one.connection.fileno()]
    proven[rank] = one.connection


def _proven_rank(one: _Unproven, key: bytes, size: int, taken: Mapping[int, socket.socket]) -> int | None:
    number = bytes(one.received[: _RANK.size])
    own = bytes(one.received[_RANK.size : _RANK.size + CHALLENGE_BYTES])
    if not hmac.compare_digest(bytes(one.received[-_PROOF_BYTES:]), _proof(key, b"rank", one.challenge, number, own)):
        return None
    (rank,) = _RANK.unpack(number)
    if not 0 < rank < size or rank in taken:
        return None
    try:
        one.connection.send(_proof(key, b"first", own))
    except OSError:
        return None
    return int(rank)


def _drop(one: _Unproven, selector: selectors.BaseSelector, unproven: dict[int, _Unproven]) -> None:
    selector.unregister(one.connection)
    del unproven[one.connection.fileno()]
    one.connection.close()
