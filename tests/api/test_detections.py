"""Detections as users hold them: selection, masks, drawing and other formats."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mindrcnn import detections as module
from mindrcnn.data.image_io import read_image
from mindrcnn.errors import InputError
from mindrcnn.image_detector import Picture

PICTURE = Picture(pixels=np.full((60, 80, 3), 100, np.uint8))


@pytest.fixture
def nothing(found):
    return found[found.scores > 1]


def test_names_and_sizes(found):
    assert len(found) == 2
    assert found.class_names == ["fig", "hazelnut"]
    assert found.image_size == (60, 80)
    assert found.path.name == "a.jpg"
    assert repr(found) == "<Detections of a.jpg: fig 0.90, hazelnut 0.40; image 80 x 60, with masks>"


def test_nothing_found(nothing):
    assert (len(nothing), nothing.class_names, nothing.rle, nothing.to_coco(1)) == (0, [], [], [])
    assert nothing.boxes.shape == (0, 4)
    assert nothing.masks.shape == (0, 60, 80)
    assert nothing.to_dict()["predictions"] == []
    assert "nothing" in repr(nothing)
    assert list(nothing) == []


@pytest.mark.parametrize("pasted", [False, True])
@pytest.mark.parametrize(
    ("index", "labels"),
    [
        (0, [2]), (-1, [1]), (np.int64(1), [1]), (slice(None, 1), [2]), ([1, 0], [1, 2]), ([], []),
        (np.array([True, False]), [2]), ([False, True], [1]), (np.array([], int), []),
    ],
)  # fmt: skip
def test_selection(found, index, labels, pasted):
    rles = {label: rle for label, rle in zip(found.labels, found.rle, strict=True)} if pasted else None
    chosen = found[index]
    assert chosen.labels.tolist() == labels
    assert chosen.boxes.shape == (len(labels), 4)
    assert len(chosen.box_masks) == len(chosen.masks) == len(labels)
    if rles is not None:
        assert chosen.rle == [rles[label] for label in labels]


@pytest.mark.parametrize(
    ("index", "error"),
    [("fig", TypeError), (1.0, TypeError), ([[0]], TypeError), ([True], IndexError), (2, IndexError)],
)
def test_an_index_that_means_nothing_is_refused(found, index, error):
    with pytest.raises(error):
        found[index]


def test_iteration_gives_detections_of_one(found):
    assert [(len(one), one.class_names) for one in found] == [(1, ["fig"]), (1, ["hazelnut"])]


def test_masks_are_pasted_once_and_when_asked_for(found, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "encode_masks", lambda *given, **sizes: calls.append(sizes) or [])
    assert calls == []
    assert found.rle is found.rle
    assert calls == [{"height": 60, "width": 80, "thresh": 0.5}]


def test_masks_are_the_rles(found):
    assert found.masks.dtype == bool
    assert found.masks.shape == (2, 60, 80)
    assert found.masks[0, 5:25, 10:30].mean() > 0.95  # bilinear reading rounds the corners off
    assert found.masks[0].sum() == found.masks[0, 5:25, 10:30].sum()
    assert [mask_api.area(dict(rle)) for rle in found.rle] == [mask.sum() for mask in found.masks]


def test_the_document(found):
    image = json.loads(json.dumps(found.to_dict()))
    assert (image["file"], image["height"], image["width"]) == ("a.jpg", 60, 80)
    first, second = image["predictions"]
    assert first["bbox"] == {"x_min": 10, "y_min": 5, "width": 20, "height": 20}
    assert first["class"] == {"label": 2, "category_id": 90, "name": "fig"}
    assert first["score"] == 0.9
    assert [one["mask"] for one in (first, second)] == found.rle
    assert second["class"] == {"label": 1, "category_id": 5, "name": "hazelnut"}
    assert "iou_score" not in first


def test_coco_entries(found):
    first, second = found.to_coco(7)
    assert (first["image_id"], first["category_id"], first["bbox"], first["score"]) == (7, 90, [10, 5, 20, 20], 0.9)
    assert (second["category_id"], second["bbox"]) == (5, [40.5, 20.25, 29.5, 29.75])
    assert mask_api.toBbox(dict(first["segmentation"])).tolist() == [10, 5, 20, 20]
    assert set(first) == {"image_id", "category_id", "bbox", "score", "segmentation"}
    assert [one["category_id"] for one in found.to_coco(7, category_ids=(3, 4))] == [4, 3]


def test_predicted_ious_and_no_masks(found):
    rescored = replace(found, box_masks=None, mask_scores=found.scores * np.float32(0.5))
    np.testing.assert_allclose(rescored.iou_scores, [0.5, 0.5])
    for entries in (rescored.to_coco(7), rescored.to_dict()["predictions"]):
        assert [one["iou_score"] for one in entries] == [0.5, 0.5]
        assert not {"mask", "segmentation"} & set(entries[0])
    assert rescored.masks is None


@pytest.mark.parametrize(
    ("thresh", "labels", "kept"),
    [
        (0.0, (1, 2), [2, 1]),
        (0.4, (1, 2), [2, 1]),
        (0.5, (1, 2), [2]),
        (0.0, (1,), [1]),
        (0.5, (1,), []),
        (0.0, (), []),
    ],
)
def test_score_and_class_choose(found, thresh, labels, kept):
    chosen = found[(found.scores >= thresh) & np.isin(found.labels, labels)]
    assert chosen.labels.tolist() == kept


def test_drawing(found, tmp_path):
    drawn = replace(found, source=PICTURE).draw(tmp_path / "out.png")
    assert drawn.shape == (60, 80, 3)
    assert (drawn != 100).any()
    assert (PICTURE.pixels == 100).all()
    np.testing.assert_array_equal(read_image(tmp_path / "out.png"), drawn)
    np.testing.assert_array_equal(replace(found, source=PICTURE).draw(), drawn)
    with pytest.raises(InputError, match="know their image"):
        replace(found, source=None).draw()
    with pytest.raises(InputError, match="picture format"):
        replace(found, source=PICTURE).draw(tmp_path / "out.nothing")


class TestSupervision:
    @pytest.mark.parametrize("masks", [True, False])
    def test_the_same_objects(self, found, masks):
        supervision = pytest.importorskip("supervision")
        given = found if masks else replace(found, box_masks=None)
        converted = given.to_supervision()
        assert isinstance(converted, supervision.Detections)
        np.testing.assert_array_equal(converted.xyxy, found.boxes)
        np.testing.assert_array_equal(converted.confidence, found.scores)
        assert converted.class_id.tolist() == [1, 0]
        assert converted["class_name"].tolist() == ["fig", "hazelnut"]
        if masks:
            np.testing.assert_array_equal(converted.mask, found.masks)
        else:
            assert converted.mask is None
        annotated = supervision.BoxAnnotator().annotate(PICTURE.pixels.copy(), converted)
        assert (annotated != PICTURE.pixels).any()

    def test_nothing(self, nothing):
        supervision = pytest.importorskip("supervision")
        assert len(nothing.to_supervision()) == 0
        assert len(supervision.Detections.merge([nothing.to_supervision()])) == 0

    def test_without_the_package(self, found, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "supervision", None)
        with pytest.raises(InputError, match="pip install supervision"):
            found.to_supervision()
