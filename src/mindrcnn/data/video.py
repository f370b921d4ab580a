"""Frames of videos and cameras, read by OpenCV one after another.

OpenCV opens more than files: a name with a number in it is a sequence of images, another one an address or a pipeline.
So a file is handed to it as an absolute path, to the FFmpeg that comes with it, which opens no address from within one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from mindrcnn import paths
from mindrcnn.data.image_io import RGBImage, require_pixels
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    *(".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
    *(".mts", ".ogv", ".webm", ".wmv"),
)
DEFAULT_RATE = 30.0  # frames a second, of a file or camera that does not say
_MOST_RATE = 1000.0  # anything above is a broken header
_SILENT = 0  # of OpenCV's levels of logging

# FFmpeg's own messages, which OpenCV asks about once, when it first opens or writes a video: its results tell enough.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

# Beginnings of the containers that VIDEO_SUFFIXES stand for, by their place. FFmpeg would also follow playlists and
# lists of parts, which name other files and may have no end.
CONTAINERS: tuple[tuple[int, tuple[bytes, ...]], ...] = (
    (
        0,
        (b"RIFF", b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01", b"\x30\x26\xb2\x75", b"\0\0\1\xba", b"\0\0\1\xb3", b"\x47"),
    ),
    (4, (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"\x47")),
)
_HEAD = 16  # bytes


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    path: the video's file; None for a camera.
    number: its number, from 0.
    seconds: its time.
    rate: how many frames a second are taken.
    pixels: RGB (H, W, 3) uint8.
    """

    path: Path | None
    number: int
    seconds: float
    rate: float
    pixels: RGBImage

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        height, width = self.pixels.shape[:2]
        return height, width

    def image(self) -> RGBImage:
        """Returns RGB (H, W, 3) uint8."""
        return self.pixels


@dataclass(frozen=True)
class VideoFacts:
    """The facts that a video states: frames a second, and the number of frames; 0 if it does not say."""

    rate: float
    frames: int


def video_facts(path: Path) -> VideoFacts:
    """Returns a video's rate and number of frames. Raises InputError for a file that is no video."""
    with _opened(path) as capture:
        width, height = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        require_pixels(path, (height, width))
        return _facts(capture)


def read_video(path: Path, *, every: int = 1) -> Iterator[Frame]:
    """Returns an iterator over every N-th frame of a video, from the first.

    Raises InputError at once for a file that is no video and for a number of frames below 1.
    """
    if every < 1:
        raise InputError(f"every: wanted a number of frames above 0, got {every}")
    video_facts(path)
    return _read_video(path, every)


def open_camera(number: int, *, every: int = 1) -> Iterator[Frame]:
    """Returns an iterator over every N-th frame of a camera, without end.

    Raises InputError at once if the system has no camera of that number.
    """
    with _silence():
        capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        raise InputError(f"{number}: wanted the number of a camera, got one that cannot be opened")
    return _frames(capture, None, every)


def _read_video(path: Path, every: int) -> Iterator[Frame]:
    with _opened(path) as capture:
        stated = _facts(capture).frames
        last = -1
        for frame in _frames(capture, path, every):
            last = frame.number
            yield frame
        if last + every < stated:
            logger.warning("%s: says that it has %d frames; after frame %d none can be read", path, stated, last)


def _frames(capture: Any, path: Path | None, every: int) -> Iterator[Frame]:
    rate = _facts(capture).rate
    number = 0
    while capture.grab():
        if number % every == 0:
            done, pixels = capture.retrieve()
            if not done:
                return
            rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            yield Frame(path, number, round(number / rate, 3), rate / every, rgb)
        number += 1


def _facts(capture: Any) -> VideoFacts:
    rate, frames = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return VideoFacts(rate if 0 < rate <= _MOST_RATE else DEFAULT_RATE, max(int(frames), 0))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    refusal = InputError(f"{path}: wanted a video that OpenCV reads, got an empty file or one of another kind")
    with paths.open_file(path, "video") as file:
        head = file.read(_HEAD)
    if not any(head.startswith(beginnings, place) for place, beginnings in CONTAINERS):
        raise refusal
    with _silence():
        capture = cv2.VideoCapture(str(paths.resolve(path)), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise refusal
        yield capture
    finally:
        capture.release()


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps OpenCV from writing to standard error about what becomes a message of ours."""
    level = cv2.getLogLevel()
    cv2.setLogLevel(_SILENT)
    try:
        yield
    finally:
        cv2.setLogLevel(level)
