"""Made-up COCO data sets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

Content = dict[str, Any]


@pytest.fixture
def content() -> Content:
    """Two images and a valid annotation of each kind; category ids with gaps, not in order."""
    return {
        "images": [
            {"id": 70, "file_name": "a.png", "height": 40, "width": 60},
            {"id": 3, "file_name": "b.png", "height": 50, "width": 30},
        ],
        "annotations": [
            {
                "id": 11,
                "image_id": 3,
                "category_id": 90,
                "bbox": [5, 10, 20, 30],
                "iscrowd": 0,
                "segmentation": [[5, 10, 25, 10, 25, 40, 5, 40]],
            },
            {
                "id": 5,
                "image_id": 70,
                "category_id": 2,
                "bbox": [0, 0, 10, 8],
                "iscrowd": 1,
                "segmentation": {"size": [40, 60], "counts": [0, 8, 2392]},
            },
            {
                "id": 6,
                "image_id": 70,
                "category_id": 17,
                "bbox": [50, 30, 10, 10],
                "iscrowd": 0,
                "segmentation": [[50, 30, 60, 30, 60, 40]],
            },
        ],
        "categories": [{"id": 90, "name": "pear"}, {"id": 2, "name": "fig"}, {"id": 17, "name": "plum"}],
    }


@pytest.fixture
def write_coco(tmp_path: Path) -> Callable[[Content], tuple[Path, Path]]:
    """Writes the annotations and images of their sizes; returns (annotation file, image folder)."""

    def write(content: Content) -> tuple[Path, Path]:
        images = tmp_path / "images"
        images.mkdir(exist_ok=True)
        for entry in content["images"]:
            pixels = np.full((entry["height"], entry["width"], 3), entry["id"] % 256, np.uint8)
            cv2.imwrite(str(images / entry["file_name"]), pixels)
        annotations = tmp_path / "annotations.json"
        annotations.write_text(json.dumps(content))
        return annotations, images

    return write
