"""Weight files given by path or URL, downloaded once into the user's cache and checked by SHA-256."""

import hashlib
import logging
import os
import ssl
import urllib.error
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlparse

from mindrcnn import paths
from mindrcnn.atomic import locked, replacing
from mindrcnn.cache import CACHE_VARIABLE, cache_folder
from mindrcnn.errors import InputError
from mindrcnn.hashing import file_sha256
from mindrcnn.weights.transfer import fetch

logger = logging.getLogger(__name__)

MIN_HASH_DIGITS = 8
_NAME_BYTES = 100  # of the URL's own name in that of the cached file


def fetch_weights(source: str, *, sha256: str = "") -> Path:
    """Returns the local file for `source`, a path or a URL (https, http, file); a URL is downloaded once.

    sha256: the file's digest, or at least its first 8 hexadecimal digits; empty skips the check.
    Raises InputError for a missing file, a failed download (which leaves no file) or another digest.
    """
    expected = _parse_digest(sha256)
    if _scheme(source) not in ("https", "http", "file"):
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


def _scheme(source: str) -> str:
    try:
        return urlparse(source).scheme
    except ValueError as error:
        raise InputError(f"weights: wanted a path or an https URL, got {source!r:.200}: {error}") from error


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
    end = os.fsencode(Path(urlparse(url).path).name)[-_NAME_BYTES:].decode(errors="ignore") or "weights"
    name = f"{hashlib.sha256(os.fsencode(url)).hexdigest()[:12]}-{end}"
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
    if urlparse(url).scheme == "http" and not expected:
        logger.warning("%s is not encrypted, and no SHA-256 is given: anybody on the way can change it", url)
    with replacing(path) as temporary:
        try:
            fetch(url, temporary)
        except urllib.error.HTTPError as error:
            raise InputError(f"cannot download {url}: the server answered {error.code} {error.reason}") from error
        except (
            urllib.error.URLError, HTTPException, ssl.SSLError, TimeoutError, ConnectionError, ValueError
        ) as error:  # fmt: skip
            reason = getattr(error, "reason", error)
            raise InputError(
                f"cannot download {url}: {reason}. Offline, download it elsewhere and give the file's path instead"
            ) from error
        _verify(temporary, expected, url)
