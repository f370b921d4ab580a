"""docs/own_data.md: its commands, run on small exports with the configuration of each tool's section."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from tool_exports import (
    NAMES,
    cityscapes,
    cvat,
    fiftyone,
    label_studio,
    labelme,
    lvis,
    roboflow,
    via,
    voc_masks,
    with_splits,
    yolo,
    yolo_label_studio,
)

from mindrcnn import cli, predictor

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "docs/own_data.md").read_text(encoding="utf-8")
Call = Callable[[Callable[[], int]], Any]


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert all(program == "mindrcnn" for program, *_ in lines)
    return [words for _, *words in lines]


FIRST, *_ = blocks(TEXT.split("\n## ")[0], "yaml")
COMMANDS, DIVIDED, *_ = [commands(block) for block in blocks(TEXT.split("\n## ")[0], "bash")]


def renamed(write: Callable[[Path], None], names: dict[str, str]) -> Callable[[Path], None]:
    """Writes an export with other words in its JSON files."""

    def write_renamed(root: Path) -> None:
        write(root)
        for path in root.rglob("*.json"):
            text = path.read_text()
            for old, new in names.items():
                text = text.replace(f'"{old}"', f'"{new}"')
            path.write_text(text)

    return write_renamed


def label_studio_alone(root: Path) -> None:
    label_studio(root / "made")
    (root / "made/train/images").rename(root / "images")
    (root / "made/train/result.json").rename(root / "result.json")


TOOLS: dict[str, Callable[[Path], None]] = {
    "Roboflow": roboflow,
    "CVAT": cvat,
    "Label Studio": label_studio_alone,
    "labelme": labelme,
    "VGG Image Annotator": renamed(via, {"class": "species"}),
    "YOLO": yolo,
    "Pascal VOC": voc_masks,
    "FiftyOne": fiftyone,
    "supervision": cvat,
    "LVIS": lvis,
    "Cityscapes": renamed(cityscapes, {"fig": "person", "pear": "rider", "plum": "car"}),
}


@pytest.fixture
def configured(tiny: Path, call: Call) -> Callable[[str], dict[str, Any]]:
    """Writes the export of a tool and mine.yaml as its section has it, for a tiny model, in the working folder."""

    def write(title: str) -> dict[str, Any]:
        given = yaml.safe_load(blocks(section(title), "yaml")[0])
        data = given["data"]
        names = [data[split]["name"] for split in ("train", "val", "test") if "name" in data.get(split, {})]
        with_splits(TOOLS[title], Path(data["root"]), names or ["train"])
        first = yaml.safe_load(FIRST)
        assert (REPOSITORY / first["base"]).is_file()
        mine = first | {"base": str(tiny)} | given
        mine["train"] = {"batch_size": 1, "schedule": {"length": 1}}
        mine["data"] = {"workers": 0, "val": {"name": ""}} | data
        Path("mine.yaml").write_text(yaml.safe_dump(mine))
        return data

    return write


@pytest.mark.parametrize("title", TOOLS)
def test_the_configuration_of_a_section_reads_its_export(
    title: str, configured: Callable[[str], dict[str, Any]], call: Call
) -> None:
    data = configured(title)
    doctor, browse, dry_run, *_ = COMMANDS
    outcome = call(lambda: cli.main([*doctor, "--workers", "1"]))
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    outcome = call(lambda: cli.main(browse))
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout.startswith("3 images of train")
    assert ("of val" in outcome.stdout) == ("val" in data)
    assert Path("browse/mine/index.html").is_file()
    if title == "Roboflow":  # building the model takes longer than all else, and does not depend on the tool
        outcome = call(lambda: cli.main(dry_run))
        assert outcome.status == 0, outcome.stderr
        assert "dry run" in outcome.stderr


class ThreeObjects:
    """Predicts one object of each class in every image."""

    def __init__(self, *, detector: object) -> None:
        """Needs no detector."""

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        labels = np.arange(1, len(NAMES) + 1, dtype=np.int32)
        boxes = np.tile(np.array([4, 4, 40, 40], np.float32), (len(labels), 1))
        scores = np.full(len(labels), 0.75, np.float32)
        outputs = (boxes, scores, labels, labels > 0, np.ones((len(labels), 14, 14), np.float32), scores)
        return tuple(np.broadcast_to(output, (len(images), *output.shape)) for output in outputs)


def test_training_evaluation_and_prediction(
    configured: Callable[[str], dict[str, Any]], call: Call, stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", ThreeObjects)
    configured("YOLO")
    Path("photos").symlink_to("dataset/images/val")
    *_, train, evaluate, infer = COMMANDS
    for words in (train, evaluate, infer):
        outcome = call(lambda: cli.main(words))  # noqa: B023
        assert outcome.status == 0, outcome.stderr
    found = json.loads(Path("found/predictions.json").read_text())["images"]
    assert len(found) == 3


def test_an_export_without_splits_is_divided(call: Call) -> None:
    Path("EXPORT").mkdir()
    yolo_label_studio(Path("EXPORT"))
    for words in DIVIDED:
        outcome = call(lambda: cli.main(words))  # noqa: B023
        assert outcome.status == 0, outcome.stderr
    sizes = [len(json.loads(Path(name).read_text())["images"]) for name in ("all.json", "train.json", "val.json")]
    assert sizes[0] == sizes[1] + sizes[2] == 3
