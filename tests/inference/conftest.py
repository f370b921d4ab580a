"""A run of inference with a stand-in for the detector, which finds bright rectangles."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mindrcnn.compilation import Compilations
from mindrcnn.data.image_io import ImageSource
from mindrcnn.detections import Detections
from mindrcnn.prediction_stream import PredictionStream, predict_stream
from mindrcnn.tasks import inference
from mindrcnn.tiling.windows import Tiling

CLASSES, IDS = ("nail", "wing nut"), (7, 3)


class Eyes:
    """Finds rectangles: grey 100..199 are nails, 200..255 wing nuts; the score is the grey / 255.

    seen: the names of the images that were looked at, in their order.
    stops_after: raises KeyboardInterrupt after so many images.
    """

    classes = CLASSES
    category_ids = IDS
    batch = None

    def __init__(self) -> None:
        self.compilations = Compilations("the network")
        self.seen: list[str] = []
        self.stops_after: int | None = None
        self.with_masks = True

    def predict_sources(
        self, sources: Iterable[ImageSource], *, batch_size: int | None = None, tiling: Tiling | None = None
    ) -> PredictionStream:
        return predict_stream(self, sources, batch_size=batch_size or 1, tiling=tiling)

    def plan(self, sources: Sequence[ImageSource], *, batch_size: int) -> Iterator[tuple[list[ImageSource], Any]]:
        if sources:
            yield list(sources), None

    def prepare(self, members: Sequence[ImageSource], **_: Any) -> Any:
        return [(source, source.image()) for source in members]

    def detect(self, batch: Any) -> list[Detections]:
        for source, _ in batch:
            self.seen.append(str(source.path))
            if self.stops_after is not None and len(self.seen) > self.stops_after:
                raise KeyboardInterrupt
        return [self._look(source, pixels[:, :, 0]) for source, pixels in batch]

    def _look(self, source: ImageSource, grey: Any) -> Detections:
        _, _, stats, _ = cv2.connectedComponentsWithStats((grey > 90).astype(np.uint8))
        corners = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:].tolist()]
        greys = np.array([grey[(y + b) // 2, (x + r) // 2] for x, y, r, b in corners], np.float32)
        found = Detections(
            boxes=np.array(corners, np.float32).reshape(-1, 4),
            scores=greys / np.float32(255),
            labels=np.where(greys < 200, 1, 2).astype(np.int32),
            classes=CLASSES,
            category_ids=IDS,
            image_size=grey.shape,
            source=source,
            box_masks=np.ones((len(corners), 14, 14), np.float32) if self.with_masks else None,
        )
        return found[np.argsort(-found.scores, kind="stable")]


def picture(*objects: tuple[int, int, int, int, int]) -> np.ndarray:
    """A dark image of 60 by 80 pixels with rectangles x, y, width, height, grey."""
    image = np.zeros((60, 80, 3), np.uint8)
    for x, y, width, height, grey in objects:
        image[y : y + height, x : x + width] = grey
    return image


OBJECTS = ((10, 10, 20, 16, 150), (40, 12, 30, 30, 250))  # a nail of 0.59 and a wing nut of 0.98


def save(path: Path, *objects: tuple[int, int, int, int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(*objects)).save(path)
    return path


@pytest.fixture
def make_video() -> Callable[[Path, int], Path]:
    return save_video


def save_video(path: Path, frames: int) -> Path:
    """A video of 10 frames a second in which a wing nut moves two pixels a frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (80, 60))
    for number in range(frames):
        writer.write(picture((5 + 2 * number, 20, 20, 20, 250)))
    writer.release()
    return path


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch) -> Eyes:
    eyes = Eyes()
    monkeypatch.setattr(inference, "open_detector", lambda *_, **__: eyes)
    return eyes


@pytest.fixture
def infer(eyes: Eyes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Runs inference in an empty folder, with photos/ of three images, and results in found/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.ckpt").write_bytes(b"model")
    for number, objects in enumerate((OBJECTS, (), OBJECTS[:1])):
        save(tmp_path / "photos" / f"{number}.png", *objects)

    def run(*sources: str, save: str = "json", **options: Any) -> int:
        settings = SimpleNamespace(score_thresh=0.5, class_names=[], out=Path("found"))
        settings.__dict__.update(options)
        return inference.infer(Path("model.ckpt"), sources, [], save=save.split(","), **vars(settings))

    yield run
    for handler in list(logging.getLogger("mindrcnn").handlers):
        logging.getLogger("mindrcnn").removeHandler(handler)
        handler.close()
