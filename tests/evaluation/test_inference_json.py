"""The JSON of infer.py, score threshold and class filter."""

import json

import numpy as np
import pytest

from mindrcnn.errors import InputError
from mindrcnn.evaluation.detections import Detections
from mindrcnn.evaluation.inference_json import Classes, image_document, keep, labels_of
from mindrcnn.evaluation.predict import ImageResult

CLASSES = Classes(names=("hazelnut", "fig"), category_ids=(5, 90))


def test_the_document(image_result):
    image = json.loads(json.dumps(image_document(image_result, CLASSES)))
    assert (image["file"], image["height"], image["width"]) == ("a.jpg", 60, 80)
    first, second = image["predictions"]
    assert first["bbox"] == {"x_min": 10, "y_min": 5, "width": 20, "height": 20}
    assert first["class"] == {"label": 2, "category_id": 90, "name": "fig"}
    assert first["score"] == 0.9
    assert first["mask"] == image_result.rles[0]
    assert second["mask"] == image_result.rles[1]
    assert second["class"] == {"label": 1, "category_id": 5, "name": "hazelnut"}
    assert "iou_score" not in first


def test_iou_score_where_the_model_gives_it(image_result):
    found = image_result.detections
    rescored = Detections(found.boxes, found.scores, found.labels, mask_scores=found.scores / 4)
    result = ImageResult(image_result.record, 60, 80, rescored, None)
    first, second = image_document(result, CLASSES)["predictions"]
    assert (first["iou_score"], second["iou_score"]) == pytest.approx((0.25, 0.25))
    assert "mask" not in first


def test_an_image_without_detections(image_result):
    nothing = keep(image_result, score_thresh=1.0)
    assert image_document(nothing, CLASSES)["predictions"] == []


@pytest.mark.parametrize(
    ("thresh", "labels", "kept"),
    [(0.0, None, [2, 1]), (0.4, None, [2, 1]), (0.5, None, [2]), (0.0, (1,), [1]), (0.5, (1,), []), (0.0, (), [])],
)
def test_keep(image_result, thresh, labels, kept):
    thresh = float(np.float32(thresh))
    result = keep(image_result, score_thresh=thresh, labels=labels)
    assert result.detections.labels.tolist() == kept
    assert list(result.rles) == [{2: image_result.rles[0], 1: image_result.rles[1]}[label] for label in kept]
    assert len(result.detections.masks) == len(kept)


def test_labels_of_names():
    assert labels_of(["fig", "hazelnut"], CLASSES) == (2, 1)


def test_an_unknown_class_is_named_with_its_neighbours():
    with pytest.raises(InputError, match=r"nearest: hazelnut\), got 'hazlenut'"):
        labels_of(["fig", "hazlenut"], CLASSES)


def test_a_class_like_no_other_lists_the_classes():
    with pytest.raises(InputError, match=r"hazelnut, fig\), got 'xyz'"):
        labels_of(["xyz"], CLASSES)
