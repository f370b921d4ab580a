"""Memory of inference on many images, which must not grow with their number.

    python -m benchmarks.many_images [--images 10000] [--model detector.onnx] [--save jsonl,json,coco,csv]

Images are links to a few generated ones, so that 10,000 take no space. Without --model a function takes the network's
place that finds ten objects in every image: all else that inference does is the same. Growth is the slope of a straight
line through what was seen after the first fifth of the images.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from mindrcnn.config.loader import parse_config
from mindrcnn.datasets.demo import make_demo
from mindrcnn.image_detector import Detector
from mindrcnn.tasks.inference import infer

DIFFERENT = 50  # images that the links lead to
SIDE = 320
OBJECTS = 10
POLL = 0.25  # seconds between two observations
WARM_UP = 0.2  # part of a run whose growth is that of caches and pools
CONFIG = f"""
data: {{buckets: [[{SIDE}, {SIDE}]], short_side: {SIDE}}}
eval: {{batch_size: 1}}
"""


def find_ten(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[np.generic], ...]:
    """Finds ten objects with masks in every image."""
    batch = len(images)
    left = np.arange(OBJECTS, dtype=np.float32) * 25
    boxes = np.tile(np.stack([left, left, left + 60, left + 60], axis=1), (batch, 1, 1))
    scores = np.tile(np.linspace(0.95, 0.55, OBJECTS, dtype=np.float32), (batch, 1))
    labels = np.tile(np.arange(OBJECTS, dtype=np.int32) % 3 + 1, (batch, 1))
    return boxes, scores, labels, labels > 0, np.ones((batch, OBJECTS, 28, 28), np.float32), scores


def stand_in(*_: object, **__: object) -> Detector:
    """Returns a detector without a network."""
    config = parse_config(CONFIG, "benchmark", ())
    return Detector(predict=find_ten, config=config, classes=("a", "b", "c"), category_ids=(1, 2, 3))


class Observer(threading.Thread):
    """Watches the memory of this process and the lines of a file."""

    def __init__(self, lines: Path) -> None:
        super().__init__(daemon=True)
        self._lines = lines
        self.seen: list[tuple[int, float]] = []  # images, megabytes
        self.ended = threading.Event()

    def run(self) -> None:
        """Looks until told to end."""
        done, offset = 0, 0
        while not self.ended.wait(POLL):
            if self._lines.exists():
                with self._lines.open("rb") as file:
                    file.seek(offset)
                    content = file.read()
                offset += len(content)
                done += content.count(b"\n")
                self.seen.append((done, resident()))


def resident() -> float:
    """Returns the megabytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def link_images(folder: Path, count: int) -> Path:
    """Returns a folder of so many images, which are links to a few."""
    make_demo(folder / "demo", train_images=1, val_images=DIFFERENT, size=SIDE)
    files = sorted((folder / "demo" / "val").iterdir())
    photos = folder / "photos"
    photos.mkdir()
    for number in range(count):
        os.link(files[number % len(files)], photos / f"{number:07}{files[0].suffix}")
    return photos


def measure(count: int, model: Path | None, save: Sequence[str]) -> list[str]:
    """Returns lines about a run on `count` images."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = link_images(folder, count)
        checkpoint = model or folder / "stand_in.ckpt"
        if model is None:
            checkpoint.touch()
        patch: Callable[[], AbstractContextManager[object]] = (
            nullcontext if model else lambda: mock.patch("mindrcnn.tasks.inference.open_detector", stand_in)
        )
        before = resident()
        observer = Observer(folder / "out" / "predictions.jsonl")
        observer.start()
        begun = time.process_time()
        with patch():
            infer(
                checkpoint,
                [str(photos)],
                [],
                out=folder / "out",
                score_thresh=0.5,
                class_names=[],
                save=save,
                quiet=True,
            )
        seconds = time.process_time() - begun
        observer.ended.set()
        observer.join()
        observer.seen.append((count, resident()))
    return report(observer.seen, before, seconds, count)


def report(seen: Sequence[tuple[int, float]], before: float, seconds: float, count: int) -> list[str]:
    """Returns the growth of memory in words."""
    late = np.array([one for one in seen if one[0] >= WARM_UP * count], dtype=np.float64)
    slope = np.polyfit(late[:, 0], late[:, 1], 1)[0] if len(late) > 1 else 0.0
    return [
        f"{count} images in {seconds:.0f} s of processor time",
        f"memory: {before:.0f} MB before, {late[0, 1]:.0f} MB after {late[0, 0]:.0f} images, "
        f"{late[-1, 1]:.0f} MB at the end, {max(megabytes for _, megabytes in seen):.0f} MB at most",
        f"growth after {WARM_UP:.0%} of the images: {slope * 1000:+.2f} MB per 1000 images",
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000, metavar="N")
    parser.add_argument("--model", type=Path, metavar="FILE")
    parser.add_argument("--save", default="jsonl,json,coco,csv", metavar="KINDS", help="kinds, jsonl among them")
    arguments = parser.parse_args(argv)
    for line in measure(arguments.images, arguments.model, arguments.save.split(",")):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
