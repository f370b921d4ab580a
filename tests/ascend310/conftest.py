"""A stand-in for a detector, as a MINDIR file that MindSpore Lite 2.0.0 runs and as a function, and data for it.

It predicts one object of class 1 that covers the whole image, with the mean of the pixels (and padding) as its score.
stand_in.mindir was written by make_stand_in.py.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindrcnn.build.data import build_dataset
from mindrcnn.config.loader import load_config
from mindrcnn.exported.card import KEY, make_card
from mindrcnn.exported.offline import open_offline
from mindrcnn.exported.opening import make_detector
from mindrcnn.tasks.split_evaluator import SplitEvaluator

REPOSITORY = Path(__file__).resolve().parents[2]
BATCH, HEIGHT, WIDTH = 2, 64, 96
CLASSES = {"plate": 7}
# Height, width, grey value and objects (x, y, width, height) of each image; the stand-in finds the first three objects,
# half of the fourth's extent, and one that is not there.
IMAGES = (
    (64, 90, 250, [[0, 0, 90, 64]]),
    (50, 96, 240, [[0, 0, 96, 50]]),
    (32, 48, 200, []),
    (64, 64, 190, [[0, 0, 64, 64]]),
    (64, 96, 120, [[0, 0, 64, 64]]),
)
SETTINGS = [
    f"data.buckets=[[{HEIGHT}, {WIDTH}]]",
    f"data.short_side={HEIGHT}",
    "data.workers=0",
    f"eval.batch_size={BATCH}",
    "eval.pictures=0",
]


def stand_in(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
    """Computes what stand_in.mindir does."""
    count = len(images)
    boxes = np.zeros((count, 1, 4), np.float32)
    boxes[:, 0, 2:] = image_sizes[:, ::-1]
    scores = (images.reshape(count, -1).mean(1, keepdims=True) / 255).astype(np.float32)
    labels, valid = np.ones((count, 1), np.int32), scores > 0
    return boxes, scores, labels, valid, np.ones((count, 1, 2, 2), np.float32), scores / 2


def text_field(key: str, value: str) -> bytes:
    """Returns a text as the models of both formats store it: field 14, of a key, 1, and a value, 2."""
    pair = length_field(1, key.encode()) + length_field(2, value.encode())
    return length_field(14, pair)


def length_field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    low = value & 127
    return bytes([low]) if value < 128 else bytes([low | 128]) + varint(value >> 7)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in with a card."""
    config = load_config(REPOSITORY / "configs/demo/mask_rcnn_mobilenet_v1.yaml", SETTINGS)
    card = make_card(config, classes=tuple(CLASSES), category_ids=tuple(CLASSES.values()), batch=BATCH)
    path = tmp_path_factory.mktemp("model") / "stand in.mindir"
    path.write_bytes((Path(__file__).parent / "stand_in.mindir").read_bytes() + text_field(KEY, card.to_json()))
    return path


@pytest.fixture(scope="session")
def coco(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of images and their annotations."""
    folder = tmp_path_factory.mktemp("coco images")
    images, annotations = [], []
    for number, (height, width, grey, objects) in enumerate(IMAGES, start=1):
        Image.new("RGB", (width, height), (grey, grey, grey)).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        for x, y, w, h in objects:
            polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
            annotations.append(
                {
                    **{"id": len(annotations) + 1, "image_id": number, "category_id": CLASSES["plate"]},
                    **{"bbox": [x, y, w, h], "area": w * h, "iscrowd": 0, "segmentation": [polygon]},
                }
            )
    categories = [{"id": number, "name": name} for name, number in CLASSES.items()]
    file = folder.parent / "annotations of coco.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return folder, file


@pytest.fixture(scope="session")
def overrides(coco: tuple[Path, Path]) -> list[str]:
    """The keys of the data, as run_infer_310.sh sets them."""
    folder, file = coco
    return [
        f"data.root={folder}",
        "data.val.format=coco",
        f"data.val.images={folder}",
        f"data.val.annotations={file}",
    ]


@pytest.fixture
def expected(model: Path, overrides: list[str], tmp_path: Path) -> dict[str, Any]:
    """The metrics of the function, by the evaluation of any detector."""
    detector = make_detector(open_offline(model, stand_in), overrides, model)
    dataset = build_dataset(detector.config.data, detector.config.data.val, "data.val")
    SplitEvaluator(config=detector.config, dataset=dataset).run(detector, tmp_path / "expected")
    metrics: dict[str, Any] = json.loads((tmp_path / "expected" / "metrics.json").read_text())
    return metrics


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder; takes the programs' log handlers away afterwards."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    package = logging.getLogger("mindrcnn")
    for handler in list(package.handlers):
        package.removeHandler(handler)
        handler.close()


@pytest.fixture(name="stand_in")
def stand_in_fixture() -> Any:
    return stand_in


@pytest.fixture(name="text_field")
def text_field_fixture() -> Any:
    return text_field
