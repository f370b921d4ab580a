"""Small copies of the gallery's images: within the page while it stays small, in a folder beside it after that."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import cv2

from mindrcnn.atomic import replacing
from mindrcnn.data.image_io import RGBImage
from mindrcnn.drawing.pictures import mark_picture
from mindrcnn.errors import InputError
from mindrcnn.outputs import Output, protect

LONG_SIDE = 480  # pixels
QUALITY = 78
WITHIN_PAGE = 4_500_000  # bytes of JPEG; a third more as text

ReadImage = Callable[[int], RGBImage]  # of the image with this number

logger = logging.getLogger(__name__)


@dataclass
class Thumbnails:
    """The copies of some images.

    read: reads an image, or raises InputError.
    folder: the folder for those that the page has no room for.
    links: of each image, the copy itself as text or the file's place beside the page.
    """

    read: ReadImage
    folder: Path
    links: dict[int, str] = field(default_factory=dict)
    _beside: dict[Path, bytes] = field(default_factory=dict)

    def make(self, images: Sequence[int]) -> None:
        """Makes copies of images by number, the most important first; the log counts those that cannot be read."""
        room, failures = WITHIN_PAGE, 0
        for image in images:
            try:
                content = encode_small(self.read(image))
            except InputError as error:
                failures += 1
                if failures == 1:
                    logger.warning("the report shows an image without its pixels: %s", error)
                continue
            if len(content) <= room:
                room -= len(content)
                self.links[image] = f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"
            else:
                name = f"{image}.jpg"
                self._beside[self.folder / name] = content
                self.links[image] = f"{quote(self.folder.name)}/{name}"
        if failures > 1:
            logger.warning("the report shows %d images without their pixels", failures)

    def write(self, *, force: bool = False) -> None:
        """Writes the files beside the page. Raises InputError if one cannot be written, or is another's."""
        protect([Output(path) for path in self._beside], force=force)
        for path, content in self._beside.items():
            with replacing(path) as temporary:
                temporary.write_bytes(mark_picture(content))


def encode_small(image: RGBImage) -> bytes:
    """Returns an RGB image (H, W, 3) as a JPEG whose long side is at most LONG_SIDE."""
    height, width = image.shape[:2]
    factor = min(LONG_SIDE / max(height, width), 1.0)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    small = image if factor == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return encoded.tobytes()
