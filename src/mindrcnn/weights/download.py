"""Weight files given by name, path or URL, downloaded once into the user's cache and checked by their digests."""

import hashlib
import logging
import os
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from mindrcnn import paths
from mindrcnn.atomic import locked
from mindrcnn.cache import CACHE_VARIABLE, cache_folder
from mindrcnn.errors import InputError
from mindrcnn.hashing import Algorithm, file_digest
from mindrcnn.published.table import PublishedModel, find_published, near_names, require_known
from mindrcnn.weights.partial_file import PartialFile
from mindrcnn.weights.transfer import BROKEN, Interrupted, fetch

logger = logging.getLogger(__name__)

MIN_HASH_DIGITS = 8
ATTEMPTS = 5  # to get the rest of a download that breaks off again and again, as long as each brings some of it
_NAME_BYTES = 100  # of the URL's own name in that of the cached file


@dataclass(frozen=True)
class Digest:
    """The first hexadecimal digits of a file's digest; none skips the check."""

    algorithm: Algorithm = "sha256"
    digits: str = ""


def fetch_weights(source: str, *, sha256: str = "") -> Path:
    """Returns the local file for `source`, a path, a published model's name or a URL (https, http, file).

    What is not on this machine is downloaded once.

    sha256: the file's digest, or at least its first 8 hexadecimal digits; empty takes a published model's own, and
        skips the check of any other file.
    Raises InputError for a missing file, an unknown name, a failed download or another digest.
    """
    expected = _parse_digest(sha256)
    if _scheme(source) in ("https", "http", "file"):
        return _fetch_url(source, expected if sha256 else _published_digest(find_published(source)))
    path = paths.expand(source)
    if paths.is_file(path):
        _verify(path, expected, source)
        return path
    model = find_published(source)
    if model is None:
        require_known(source)
        raise InputError(f"weights: wanted an existing file, a published model or an https URL, got {source}")
    return _fetch_url(model.url, expected if sha256 else _published_digest(model))


def fetch_backbone(source: str, *, sha256: str = "") -> Path:
    """Does what `fetch_weights` does, for weights of a backbone. Raises InputError for the name of a detector."""
    model = find_published(source)
    if model is not None and model.kind != "backbone" and not paths.is_file(paths.expand(source)):
        raise InputError(
            f"model.backbone.weights: wanted a backbone, got the detector {source}, which train.init_checkpoint "
            f"takes{near_names(f'{model.library}/resnet')}"
        )
    return fetch_weights(source, sha256=sha256)


def _fetch_url(url: str, expected: Digest) -> Path:
    if not url.isprintable():
        raise InputError(f"weights: wanted a URL without control characters, got {url!r:.200}")
    path = _cache_file(url)
    if not paths.is_file(path):
        _make_cache(path.parent)
        with locked(path.parent):  # the processes of a job start together: one downloads, the others wait for it
            if not paths.is_file(path):
                _download(url, path, expected)
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


def _parse_digest(sha256: str) -> Digest:
    digits = sha256.strip().lower()
    if digits and (not MIN_HASH_DIGITS <= len(digits) <= 64 or set(digits) - set("0123456789abcdef")):
        raise InputError(f"weights_sha256: wanted {MIN_HASH_DIGITS} to 64 hexadecimal digits, got {sha256!r}")
    return Digest(digits=digits)


def _published_digest(model: PublishedModel | None) -> Digest:
    algorithm, _, digits = (model.digest if model else "").partition(":")
    return Digest("md5" if algorithm == "md5" else "sha256", digits)


def _verify(path: Path, expected: Digest, name: str) -> None:
    if not expected.digits:
        return
    actual = file_digest(path, expected.algorithm).hex()
    if not actual.startswith(expected.digits):
        shown = actual[: max(len(expected.digits), 16)]
        title = {"sha256": "SHA-256", "md5": "MD5"}[expected.algorithm]
        raise InputError(f"weights {name}: wanted {title} {expected.digits}, got {shown}")


def _download(url: str, path: Path, expected: Digest) -> None:
    if urlparse(url).scheme == "http" and not expected.digits:
        logger.warning("%s is not encrypted, and no SHA-256 is given: anybody on the way can change it", url)
    partial = PartialFile(path)
    try:
        _fetch_all(url, partial)
        try:
            _verify(partial.path, expected, url)
        except InputError:
            partial.discard()
            raise
        partial.finish()
    except urllib.error.HTTPError as error:
        raise InputError(
            f"cannot download {url}: the server answered {error.code} {error.reason}{_by_hand(path)}"
        ) from error
    except Interrupted as error:
        raise InputError(f"{error}{_by_hand(path)}") from error
    except BROKEN as error:
        raise InputError(f"cannot download {url}: {getattr(error, 'reason', error)}{_by_hand(path)}") from error
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        partial.discard_unless_tagged()


def _fetch_all(url: str, partial: PartialFile) -> None:
    """Fetches the file, with another request for the rest while each brings some of it."""
    for _ in range(ATTEMPTS - 1):
        before = partial.size
        try:
            return fetch(url, partial)
        except urllib.error.HTTPError:
            raise
        except BROKEN as error:
            if partial.size <= before:
                raise
            logger.warning("%s: %s; resuming", url, getattr(error, "reason", error))
    return fetch(url, partial)


def _by_hand(path: Path) -> str:
    return f". Offline, download it elsewhere and put it there as {path}, or give the file's path instead"
