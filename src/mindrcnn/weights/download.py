"""Weight files given by path or URL, downloaded once into the user's cache and checked by SHA-256."""

import hashlib
import logging
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import urlparse

from mindrcnn import paths
from mindrcnn.atomic import locked, replacing
from mindrcnn.cache import CACHE_VARIABLE, cache_folder
from mindrcnn.errors import InputError
from mindrcnn.hashing import file_sha256

logger = logging.getLogger(__name__)

MIN_HASH_DIGITS = 8
_TIMEOUT = 30  # seconds without a byte before a download counts as dead
_CHUNK = 1 << 18
_PROGRESS_EVERY = 5.0  # seconds between progress lines
_MEGABYTE = 1e6


def fetch_weights(source: str, *, sha256: str = "") -> Path:
    """Returns the local file for `source`, a path or a URL (https, http, file); a URL is downloaded once.

    sha256: the file's digest, or at least its first 8 hexadecimal digits; empty skips the check.
    Raises InputError for a missing file, a failed download (which leaves no file) or another digest.
    """
    expected = _parse_digest(sha256)
    if urlparse(source).scheme not in ("https", "http", "file"):
        path = paths.expand(source)
        if not paths.is_file(path):
            raise InputError(f"weights: wanted an existing file or an https URL, got {source}")
        _verify(path, expected, source)
        return path
    path = _cache_file(source)
    if not paths.is_file(path):
        _make_cache(path.parent)
        with locked(path.parent):  # the processes of a job start together: one downloads, the others wait for it
            if not paths.is_file(path):
                _download(source, path, expected)
                return path
    _verify(path, expected, f"{path} (cached; delete it to download again)")
    return path


def _make_cache(folder: Path) -> None:
    try:
        paths.make_folder(folder)
    except InputError as error:
        raise InputError(f"{error}; {CACHE_VARIABLE} names another cache") from error


def _cache_file(url: str) -> Path:
    """Returns the file that caches `url`; two URLs that end in the same name do not share one.

    Downloads used to lie in the folder above, which was ~/.cache/mindrcnn whatever XDG_CACHE_HOME said; a file that is
    still there is used.
    """
    name = f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{Path(urlparse(url).path).name or 'weights'}"
    folder = cache_folder("weights")
    earlier = (folder.parent / name, paths.expand("~/.cache/mindrcnn") / name)
    return next((file for file in earlier if paths.is_file(file)), folder / name)


def _parse_digest(sha256: str) -> str:
    digits = sha256.strip().lower()
    if digits and (not MIN_HASH_DIGITS <= len(digits) <= 64 or set(digits) - set("0123456789abcdef")):
        raise InputError(f"weights_sha256: wanted {MIN_HASH_DIGITS} to 64 hexadecimal digits, got {sha256!r}")
    return digits


def _verify(path: Path, expected: str, name: str) -> None:
    if not expected:
        return
    actual = file_sha256(path).hex()
    if not actual.startswith(expected):
        raise InputError(f"weights {name}: wanted SHA-256 {expected}, got {actual[: max(len(expected), 16)]}")


def _download(url: str, path: Path, expected: str) -> None:
    with replacing(path) as temporary:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as response, open(temporary, "wb") as file:
                _copy(response, file, url)
        except urllib.error.HTTPError as error:
            raise InputError(f"cannot download {url}: the server answered {error.code} {error.reason}") from error
        except (urllib.error.URLError, HTTPException, ssl.SSLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise InputError(
                f"cannot download {url}: {reason}. Offline, download it elsewhere and give the file's path instead"
            ) from error
        _verify(temporary, expected, url)


def _copy(response: IO[bytes], file: IO[bytes], url: str) -> None:
    """Copies with progress lines. Raises InputError when the connection closes before the announced length."""
    length = getattr(response, "headers", {}).get("Content-Length")
    size = int(length) if length else 0
    done, shown = 0, time.monotonic()
    logger.info("downloading %s%s", url, f" ({size / _MEGABYTE:.1f} MB)" if size else "")
    while chunk := response.read(_CHUNK):
        file.write(chunk)
        done += len(chunk)
        if time.monotonic() - shown > _PROGRESS_EVERY:
            shown = time.monotonic()
            logger.info("  %.1f MB%s", done / _MEGABYTE, f", {100 * done / size:.0f} %" if size else "")
    if size and done != size:
        raise InputError(f"cannot download {url}: the connection closed after {done} of {size} bytes")
