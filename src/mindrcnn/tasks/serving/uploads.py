"""Images that clients send: read within limits, decoded, and resized to the network's input."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.requests import ClientDisconnect

from mindrcnn.data.batching.batch import EvalBatch
from mindrcnn.data.image_io import RGBImage, decode_image
from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import Picture
from mindrcnn.image_detector import Detector

NAME = Path("image")  # of an image in messages: what clients call their files is none of the server's business


class Refusal(Exception):
    """A request that is answered with an error; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Sent:
    """An image whose pixels are no longer needed."""

    size: tuple[int, int]
    path: Path | None = None

    def image(self) -> RGBImage:
        """Refuses: the pixels are not kept."""
        raise InputError("image: wanted its pixels, which the server does not keep")


def require_file(content_type: str) -> None:
    """Raises Refusal for a form, in which a file is wrapped."""
    if content_type.startswith("multipart/"):
        raise Refusal(415, "image: wanted the file's content as the body (curl --data-binary @photo.jpg), got a form")


async def read_body(chunks: AsyncIterator[bytes], *, length: str | None, limit: int, seconds: float) -> bytes:
    """Returns the body of a request.

    chunks: its parts as they arrive.
    length: the length that its header gives.
    limit: most bytes.
    seconds: how long it may take.

    Raises Refusal for a larger or slower body and an empty one.
    """
    too_large = Refusal(413, f"image: wanted a file of at most {limit} bytes, got more")
    if length is not None and length.isdecimal() and int(length[:20]) > limit:
        raise too_large
    body = bytearray()

    async def read() -> None:
        async for chunk in chunks:
            body.extend(chunk)
            if len(body) > limit:
                raise too_large

    try:
        await asyncio.wait_for(read(), seconds)
    except ClientDisconnect:
        raise Refusal(400, "image: wanted all of it, but the client left") from None
    except asyncio.TimeoutError:
        raise Refusal(408, f"image: wanted all of it within {seconds:g} seconds") from None
    if not body:
        raise Refusal(400, "image: wanted the file's content as the body of the request, got nothing")
    return bytes(body)


def prepare_upload(detector: Detector, body: bytes) -> EvalBatch:
    """Decodes an image, and returns it resized and padded as a batch of one. Raises Refusal for what is no image."""
    try:
        picture = Picture(pixels=decode_image(body, name=NAME))
        ((members, bucket),) = detector.plan([picture], batch_size=1)
        batch = detector.prepare(members, bucket=bucket, batch_size=1)
    except InputError as error:
        raise Refusal(400, str(error)) from error
    return replace(batch, sources=(Sent(picture.size),))
