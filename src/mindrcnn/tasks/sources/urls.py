"""Images and videos of the web, downloaded when their turn comes and kept no longer than they are used."""

from __future__ import annotations

import tempfile
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mindrcnn import paths
from mindrcnn.data.image_io import ImageSource, RGBImage, decode_image
from mindrcnn.data.video import read_video
from mindrcnn.errors import InputError
from mindrcnn.tasks.sources.entry import Entry, Search
from mindrcnn.tasks.sources.videos import is_video
from mindrcnn.weights.partial_file import PartialFile
from mindrcnn.weights.transfer import BROKEN, fetch

SCHEMES = ("http", "https")
LARGEST_IMAGE = 256 << 20  # bytes
LARGEST_VIDEO = 8 << 30


@dataclass(frozen=True, eq=False)
class DownloadedImage:
    """An image whose file is held in memory."""

    path: Path | None
    size: tuple[int, int]
    content: bytes

    def image(self) -> RGBImage:
        """Returns RGB (H, W, 3) uint8."""
        assert self.path is not None
        return decode_image(self.content, name=self.path)


@dataclass(frozen=True)
class UrlImage:
    """An image of the web."""

    name: str
    file: Path | None = None
    is_video = False
    is_endless = False

    @property
    def title(self) -> str:
        """The last part of the address."""
        return Path(_last_part(self.name)).stem

    def images(self) -> Iterator[ImageSource]:
        """Yields the image, downloaded."""
        with _downloaded(self.name, LARGEST_IMAGE) as path:
            content = paths.read_bytes(path)
        name = Path(_last_part(self.name))
        try:
            height, width = decode_image(content, name=name).shape[:2]
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from error
        yield DownloadedImage(name, (height, width), content)


@dataclass(frozen=True)
class UrlVideo:
    """A video of the web, of which every N-th frame is taken."""

    name: str
    every: int
    file: Path | None = None
    is_video = True
    is_endless = False

    @property
    def title(self) -> str:
        """The last part of the address."""
        return Path(_last_part(self.name)).stem

    def images(self) -> Iterator[ImageSource]:
        """Yields the frames, downloaded."""
        with _downloaded(self.name, LARGEST_VIDEO) as path:
            try:
                yield from read_video(path, every=self.every)
            except InputError as error:
                raise InputError(f"{self.name}: {error}") from error


class Urls:
    """An address of the web."""

    def takes(self, word: str) -> bool:
        """Takes what begins with a scheme."""
        scheme, separator, _ = word.partition("://")
        return bool(separator) and scheme.isascii() and scheme.isalnum() and not paths.exists(Path(word))

    def entries(self, word: str, search: Search) -> Iterator[Entry]:
        """Yields the image or, if the address ends as one, the video. Raises InputError for other schemes."""
        scheme = word.partition("://")[0].lower()
        if scheme not in SCHEMES:
            raise InputError(f"{word:.200}: wanted an address that begins with https:// or http://, got {scheme}://")
        try:
            is_named = bool(urlsplit(word).hostname)
        except ValueError:
            is_named = False
        if not is_named:
            raise InputError(f"{word:.200}: wanted the address of an image or video, got one without a server")
        yield UrlVideo(word, search.every) if is_video(_last_part(word)) else UrlImage(word)


def _last_part(url: str) -> str:
    return Path(unquote(urlsplit(url).path)).name.replace("\0", "") or "image"


@contextmanager
def _downloaded(url: str, largest: int) -> Iterator[Path]:
    """Yields a temporary file with what a URL holds. Raises InputError if that is not to be had."""
    with tempfile.TemporaryDirectory(prefix="mindrcnn_") as folder:
        partial = PartialFile(Path(folder) / f"download{Path(_last_part(url)).suffix[:10]}")
        try:
            fetch(url, partial, largest=largest)
            partial.finish()
        except urllib.error.HTTPError as error:
            raise InputError(f"cannot download {url}: the server answered {error.code} {error.reason}") from error
        except BROKEN as error:
            raise InputError(f"cannot download {url}: {getattr(error, 'reason', error)}") from error
        except OSError as error:
            raise InputError(f"cannot write {partial.path}: {error.strerror or error}") from error
        yield partial.final
