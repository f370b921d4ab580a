"""Records and prediction results for the evaluation tests."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.data.record import Record
from mindrcnn.evaluation.detections import Detections
from mindrcnn.evaluation.paste import encode_masks
from mindrcnn.evaluation.predict import ImageResult


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
def image_result() -> ImageResult:
    """Two detections with masks: label 2 at score 0.9, label 1 at score 0.4."""
    detections = Detections(
        boxes=np.array([[10, 5, 30, 25], [40.5, 20.25, 70, 50]], np.float32),
        scores=np.array([0.9, 0.4], np.float32),
        labels=np.array([2, 1], np.int32),
        masks=np.ones((2, 4, 4), np.float32),
    )
    rles = encode_masks(detections.masks, detections.boxes, height=60, width=80)
    return ImageResult(record=_record(image_id=7), height=60, width=80, detections=detections, rles=tuple(rles))
