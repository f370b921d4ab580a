"""Images with the objects drawn: a picture of each image or frame, and videos."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mindrcnn import paths
from mindrcnn.drawing.pictures import PictureTooLarge
from mindrcnn.drawing.video import VideoOut, is_our_video
from mindrcnn.outputs import Output
from mindrcnn.tasks.results.own_folder import own_folder
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan
from mindrcnn.tasks.sources.search import Named

logger = logging.getLogger(__name__)

FRAMES = "frames"


class Pictures:
    """TITLE.jpg of each image, and TITLE.mp4 of each video."""

    replays = False

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def outputs(self) -> Iterable[Output]:
        """Returns a file for each image and video."""
        return [
            Output(self._plan.folder / f"{named.title}.jpg")
            if not named.entry.is_video
            else Output(video_file(self._plan.folder, named), is_our_video)
            for named in self._plan.entries
        ]

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Draws each image; a video is complete when the next begins, or with the last."""
        with ExitStack() as current:
            videos: dict[int, VideoOut] = {}  # the one being written, by number

            def add(found: Found) -> None:
                if found.rate is None:
                    _draw(found, self._plan.folder / f"{found.title}.jpg", self._plan)
                    return
                if found.named.number not in videos:
                    videos.clear()
                    current.pop_all().close()
                    path = video_file(self._plan.folder, found.named)
                    videos[found.named.number] = current.enter_context(
                        VideoOut.replacing(path, size=found.detections.image_size, rate=found.rate)
                    )
                videos[found.named.number].add(found.detections.draw(style=self._plan.style))

            yield add


class FramePictures:
    """frames/TITLE_frame_NUMBER.jpg of each frame of a video."""

    replays = False

    def __init__(self, plan: Plan) -> None:
        self._folder = plan.folder / FRAMES
        self._plan = plan

    def outputs(self) -> Iterable[Output]:
        """Returns nothing that is named in advance, after a look at the folder."""
        return own_folder(self._folder, force=self._plan.force)

    @contextmanager
    def open(self, classes: Classes) -> Iterator[Add]:
        """Draws each frame."""

        def add(found: Found) -> None:
            if found.frame is not None:
                _draw(found, self._folder / f"{found.title}.jpg", self._plan)

        yield add


def video_file(folder: Path, named: Named) -> Path:
    """Returns the file of a drawn video."""
    return folder / f"{named.title}.mp4"


def is_drawn(folder: Path, named: Named) -> bool:
    """Tells whether all of a video has been drawn: it has its name only then."""
    return paths.is_file(video_file(folder, named))


def _draw(found: Found, path: Path, plan: Plan) -> None:
    try:
        found.detections.draw(path, style=plan.style)
    except PictureTooLarge as error:
        logger.warning("%s; it is not drawn", error)
