"""Records and prediction results for the evaluation tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.data.record import Record
from mindrcnn.detections import Detections


def _record(image_id: int = 1, height: int = 60, width: int = 80, name: str = "a.jpg") -> Record:
    return Record(
        image_id=image_id,
        path=Path(name),
        height=height,
        width=width,
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int32),
        crowd=np.zeros(0, bool),
        segmentations=(),
    )


@pytest.fixture
def make_record() -> Callable[..., Record]:
    return _record


@pytest.fixture
def found() -> Detections:
    """Two detections with masks: label 2, a fig, at score 0.9 and label 1, a hazelnut, at score 0.4."""
    return Detections(
        boxes=np.array([[10, 5, 30, 25], [40.5, 20.25, 70, 50]], np.float32),
        scores=np.array([0.9, 0.4], np.float32),
        labels=np.array([2, 1], np.int32),
        classes=("hazelnut", "fig"),
        category_ids=(5, 90),
        image_size=(60, 80),
        source=_record(image_id=7),
        box_masks=np.ones((2, 4, 4), np.float32),
    )
