"""A web server for one page, which answers this machine alone."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mindrcnn import paths
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
TYPES = {".html": "text/html; charset=utf-8", ".jpg": "image/jpeg"}
POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


class PageHandler(BaseHTTPRequestHandler):
    """Answers requests for the files it is given, and for nothing else in their folder."""

    timeout = 30  # seconds that a request may take to arrive

    def __init__(self, *arguments: object, files: Mapping[str, Path]) -> None:
        self.files = files
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Sends a file."""
        self._answer(with_content=True)

    def do_HEAD(self) -> None:
        """Sends what is known of a file."""
        self._answer(with_content=False)

    def _answer(self, *, with_content: bool) -> None:
        # Another name means that a page from elsewhere has made its own name lead to this machine.
        name, _, _ = self.headers.get("Host", "").partition(":")
        if name not in (HOST, "localhost"):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        try:
            path = self.files.get(unquote(urlsplit(self.path).path))
            content = None if path is None else paths.read_bytes(path)
        except (InputError, ValueError):  # removed since it was written; an address that is none
            path = content = None
        if path is None or content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", TYPES[path.suffix])
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_content:
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keeps requests out of the console."""
        logger.debug(format, *arguments)


class PageServer(ThreadingHTTPServer):
    """The server; a browser that goes away in the middle of an answer is no error."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of a lost connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def open_server(page: Path, pictures: Mapping[str, Path], port: int) -> PageServer:
    """Returns a server of the page at / and its pictures. Raises InputError if the port is taken.

    page: the HTML file.
    pictures: files by their address relative to the page.
    port: the port; 0 takes any free one.
    """
    files = {"/": page, f"/{page.name}": page} | {f"/{address}": path for address, path in pictures.items()}
    try:
        return PageServer((HOST, port), partial(PageHandler, files=files))
    except OSError as error:
        raise InputError(f"--port: cannot listen at {HOST}:{port}: {error.strerror or error}") from error


def serve(server: PageServer) -> None:
    """Answers requests until SIGINT or SIGTERM."""
    with server:
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            logger.info("stopped")
