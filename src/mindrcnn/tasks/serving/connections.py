"""Connections that end when no request comes. Needs uvicorn, which waits for the head of a request without end."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def impatient_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Returns uvicorn's HTTP protocol, closing a connection on which no request is complete or begins in time."""

    class ImpatientProtocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._waiting.cancel()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._waiting = self.loop.call_later(seconds, self._look, self.cycle)

        def _look(self, earlier: Any) -> None:
            if self.cycle is earlier and (earlier is None or earlier.response_complete):
                self.transport.close()
            else:
                self._wait()

    return ImpatientProtocol
