"""The small protocol of a kind of result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from mindrcnn.detections import Detections
from mindrcnn.drawing.style import DEFAULT_STYLE, Style
from mindrcnn.outputs import Output
from mindrcnn.tasks.sources.search import FRAMES, Named


@dataclass(frozen=True, eq=False)
class Found:
    """The detections of one image of a run.

    named: the image, or the video.
    frame: the frame's number in its video, from 0; None for an image.
    seconds: the frame's time in its video.
    rate: how many frames a second are taken; None for an image, and for a frame that an earlier run has found.
    detections: what was found; without its image if an earlier run has found it.
    """

    named: Named
    frame: int | None
    seconds: float | None
    rate: float | None
    detections: Detections

    @property
    def name(self) -> str:
        """The image's path, URL or camera."""
        return self.named.entry.name

    @property
    def title(self) -> str:
        """Name of the files written for the image, without a suffix."""
        return self.named.title if self.frame is None else f"{self.named.title}_frame_{self.frame:06}"

    @property
    def image_id(self) -> int:
        """A number that no other image or frame of the run has, whichever the shard."""
        return self.named.number if self.frame is None else self.named.number * FRAMES + self.frame + 1

    @cached_property
    def document(self) -> dict[str, Any]:
        """The image's entry in predictions.json."""
        moment = {} if self.frame is None else {"frame": self.frame, "seconds": self.seconds}
        return {"file": self.name, **moment, **{k: v for k, v in self.detections.to_dict().items() if k != "file"}}


Add: TypeAlias = Callable[[Found], None]


@dataclass(frozen=True)
class Classes:
    """The K class names of the model, and their category ids."""

    names: tuple[str, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The facts that kinds of results are made from.

    folder: where they are written.
    suffix: end of the names of files about all images, of one shard.
    entries: the images and videos.
    style: how objects are drawn.
    zoo_format: whether predictions.json has the model zoo's form.
    force: whether files of others may be replaced.
    """

    folder: Path
    entries: Sequence[Named]
    suffix: str = ""
    style: Style = DEFAULT_STYLE
    zoo_format: bool = False
    force: bool = False

    def file(self, name: str) -> Path:
        """Returns the path of a file about all images: the shard's part of it, if there are several."""
        path = self.folder / name
        return path.with_name(f"{path.stem}{self.suffix}{path.suffix}")


class Result(Protocol):
    """One kind of result.

    replays: whether it has to hear again of the images that an earlier, resumed run has finished.
    """

    replays: bool

    def outputs(self) -> Iterable[Output]:
        """Returns the files that it is going to write. Raises InputError if one of another's would be replaced."""

    def open(self, classes: Classes) -> AbstractContextManager[Add]:
        """Yields a function that is called with each image; leaving the context completes the files."""
