"""The transfer of one file from a URL, with limits on its size, its time and where redirections lead."""

import logging
import re
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import urlparse

from mindrcnn.errors import InputError
from mindrcnn.weights.partial_file import PartialFile

logger = logging.getLogger(__name__)

LARGEST = 16 << 30  # bytes; the largest published detectors have less than 3 GB
LONGEST = 6 * 3600.0  # seconds for the whole transfer
WATCHED, LEAST = 60.0, 60 << 10  # seconds, and the bytes that have to arrive in them
_TIMEOUT = 30  # seconds without a byte before a connection counts as dead
_POLL = 0.2  # seconds
_CHUNK = 1 << 18
_PROGRESS_EVERY = 5.0  # seconds between progress lines
_MEGABYTE = 1e6
_AGENT = "mindrcnn"  # some servers refuse Python's own name
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")  # Content-Range
_WHOLE, _PARTIAL, _UNSATISFIABLE = 200, 206, 416  # HTTP statuses
_LONGEST_TAG = 500


class Interrupted(InputError):
    """A transfer that broke off, of which the rest may be had."""


BROKEN = (
    *(urllib.error.URLError, HTTPException, ssl.SSLError),
    *(TimeoutError, ConnectionError, ValueError, Interrupted),
)


class _Transfer(threading.Thread):
    """The transfer, in a thread of its own: a server can make each call of the library last for hours."""

    def __init__(self, url: str, partial: PartialFile, largest: int) -> None:
        super().__init__(name="download", daemon=True)
        self.url = url
        self.largest = largest
        self.partial = partial
        self.done = 0
        self.failure: BaseException | None = None
        self.stopped = threading.Event()

    def run(self) -> None:
        """Transfers the file; what goes wrong is kept in `failure`."""
        try:
            with self._open() as response:
                start = self._start(response)
                with open(self.partial.path, "ab" if start else "wb") as file:
                    self._copy(response, file, start)
        except BaseException as error:
            self.failure = error

    def _open(self) -> Any:
        """Requests what is missing, or all of it if that is refused."""
        opener = urllib.request.build_opener(_HttpRedirects)
        headers = {"User-Agent": _AGENT}
        if size := self.partial.size:
            rest = headers | {"Range": f"bytes={size}-", "If-Range": self.partial.tag}
            try:
                return opener.open(urllib.request.Request(self.url, headers=rest), timeout=_TIMEOUT)
            except urllib.error.HTTPError as error:
                if error.code != _UNSATISFIABLE:
                    raise
                error.close()
        return opener.open(urllib.request.Request(self.url, headers=headers), timeout=_TIMEOUT)

    def _start(self, response: Any) -> int:
        """Returns the place in the file where the response begins; from 0, what there was is of no more use.

        Raises Interrupted for a response without the file, and for another part of it than was asked for.
        """
        begun = _RANGE.fullmatch(response.headers.get("Content-Range") or "")
        status = getattr(response, "status", None)  # None: file://
        if status == _PARTIAL and begun and int(begun[1]) == self.partial.size > 0:
            return self.partial.size
        self.partial.begin(_tag(response))
        if status == _PARTIAL:
            raise Interrupted(f"cannot download {self.url}: the server sent another part of the file than was wanted")
        if status not in (None, _WHOLE):
            raise Interrupted(f"cannot download {self.url}: the server answered {status}, without the file")
        return 0

    def _copy(self, response: Any, file: IO[bytes], start: int) -> None:
        announced = _announced(response)
        size = start + announced if announced else 0
        if size > self.largest:
            raise self._too_large(size)
        shown = time.monotonic()
        resumed = f", resumed after {start / _MEGABYTE:.1f} MB" if start else ""
        logger.info("downloading %s%s%s", self.url, f" ({size / _MEGABYTE:.1f} MB)" if size else "", resumed)
        while not self.stopped.is_set() and (chunk := response.read1(_CHUNK)):
            file.write(chunk)
            self.done += len(chunk)
            done = start + self.done
            if done > self.largest:
                raise self._too_large(done)
            if time.monotonic() - shown > _PROGRESS_EVERY:
                shown = time.monotonic()
                logger.info("  %.1f MB%s", done / _MEGABYTE, f", {100 * done / size:.0f} %" if size else "")
        if size and start + self.done != size:
            raise Interrupted(
                f"cannot download {self.url}: the connection closed after {start + self.done} of {size} bytes"
            )
        if not self.stopped.is_set() and not start + self.done:
            raise Interrupted(f"cannot download {self.url}: wanted a file, got an empty one")

    def _too_large(self, size: int) -> InputError:
        return InputError(
            f"cannot download {self.url}: wanted a file of at most {self._limit()}, got one of at least "
            f"{size / 1e9:.1f} GB; download it elsewhere and give the file's path instead"
        )

    def _limit(self) -> str:
        return f"{self.largest >> 30} GB" if self.largest >= 1 << 30 else f"{self.largest >> 20} MB"


class _HttpRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections by http and https alone, and none from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Returns the request for a new place. Raises InputError for one that is not followed."""
        scheme = urlparse(newurl).scheme
        if scheme != "https" and (scheme != "http" or req.type == "https"):
            raise InputError(
                f"cannot download {req.full_url}: wanted a redirection to https, got one to {newurl!r:.200}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, partial: PartialFile, *, largest: int | None = None) -> None:
    """Writes what a URL holds into a file, or what is missing of it; `largest` bytes at most, or LARGEST for None.

    Raises Interrupted for a transfer that broke off, InputError for a file that is too large, a transfer that is too
    slow and a redirection that is not followed; other failures as urllib raises them.
    """
    transfer = _Transfer(url, partial, LARGEST if largest is None else largest)
    transfer.start()
    begun = watched = time.monotonic()
    before = 0
    try:
        while transfer.is_alive():
            transfer.join(_POLL)
            now = time.monotonic()
            if now - begun > LONGEST:
                raise InputError(f"cannot download {url}: it took longer than {LONGEST / 3600:.0f} hours")
            if now - watched > WATCHED and transfer.is_alive():
                if transfer.done - before < LEAST:
                    raise InputError(
                        f"cannot download {url}: only {transfer.done - before} bytes came in {now - watched:.0f} s"
                    )
                watched, before = now, transfer.done
    finally:
        transfer.stopped.set()
    if transfer.failure is not None:
        raise transfer.failure


def _announced(response: Any) -> int:
    """Returns the size that the server announces; 0 without one."""
    text = str(response.headers.get("Content-Length") or "")
    if not (text.isdecimal() and text.isascii()):
        return 0
    return int(text) if len(text) < len(str(sys.maxsize)) else sys.maxsize


def _tag(response: Any) -> str:
    """Returns the tag of this version of the file, if the server would send a rest of it; empty otherwise."""
    if response.headers.get("Accept-Ranges") != "bytes":
        return ""
    tag = str(response.headers.get("ETag") or "")
    if not tag or tag.startswith("W/"):  # a weak tag stands for versions that differ in their bytes
        tag = str(response.headers.get("Last-Modified") or "")
    return tag if len(tag) <= _LONGEST_TAG and tag.isprintable() and tag.isascii() else ""
