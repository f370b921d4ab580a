"""Data sets that the library supervision writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tool_exports import NAMES, SIZES, write_images

from mindrcnn.build.data import build_dataset
from mindrcnn.config.data import DataConfig, SplitConfig

BOXES = {"a.png": [(2, 4, 22, 20, 0), (40, 20, 59, 35, 2)], "b.png": [(5, 10, 25, 40, 1)]}  # x1, y1, x2, y2, class


@pytest.fixture
def dataset(tmp_path: Path) -> Any:
    supervision = pytest.importorskip("supervision")
    write_images(tmp_path / "images")
    annotations = {}
    for name in SIZES:
        rows = np.array(BOXES.get(name, []), np.float32).reshape(-1, 5)
        masks = np.zeros((len(rows), *SIZES[name]), bool)
        for mask, (left, top, right, bottom, _) in zip(masks, rows.astype(int), strict=True):
            mask[top:bottom, left:right] = True
        annotations[str(tmp_path / "images" / name)] = supervision.Detections(
            xyxy=rows[:, :4], mask=masks, class_id=rows[:, 4].astype(int)
        )
    return supervision.DetectionDataset(classes=list(NAMES), images=list(annotations), annotations=annotations)


def as_coco(dataset: Any, root: Path) -> SplitConfig:
    """As docs/own_data.md has it."""
    dataset.as_coco(
        images_directory_path=str(root / "train"), annotations_path=str(root / "annotations/instances_train.json")
    )
    return SplitConfig(name="train")


def as_yolo(dataset: Any, root: Path) -> SplitConfig:
    dataset.as_yolo(
        images_directory_path=str(root / "images"), annotations_directory_path=str(root / "labels"),
        data_yaml_path=str(root / "data.yaml"),
    )  # fmt: skip
    return SplitConfig(annotations=".")


def as_pascal_voc(dataset: Any, root: Path) -> SplitConfig:
    dataset.as_pascal_voc(
        images_directory_path=str(root / "images"), annotations_directory_path=str(root / "annotations")
    )
    return SplitConfig(annotations=".")


@pytest.mark.parametrize("write", [as_coco, as_yolo, as_pascal_voc])
def test_what_it_writes_is_read(dataset: Any, tmp_path: Path, write: Any) -> None:
    root = tmp_path / "set"
    root.mkdir()
    split = write(dataset, root)
    found = build_dataset(DataConfig(root=str(root), train=split), split, "data.train")
    assert len(found.records) == 3
    for record in found.records:
        wanted = sorted(BOXES.get(record.path.name, []))
        order = np.argsort(record.boxes[:, 0])
        assert [found.classes[label - 1] for label in record.labels[order]] == [NAMES[label] for *_, label in wanted]
        if wanted:
            np.testing.assert_allclose(record.boxes[order], [box for *box, _ in wanted], atol=1.01)
    assert found.has_masks == (write is not as_pascal_voc)
