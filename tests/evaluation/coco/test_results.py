"""Numbers of result entries, and the checks of a saved results file."""

import json

import numpy as np
import pytest

from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.results import is_results, read_results, rounded_xywh, shortest, write_results

CATEGORY_IDS = (5, 90)
SIZES = {7: (60, 80), 9: (4, 5)}


def test_boxes_of_two_decimals_stay_exact():
    corners = np.array([[258.15, 41.29, 606.41, 285.07]])
    assert rounded_xywh(corners.astype(np.float32)) == [[258.15, 41.29, 348.26, 243.78]]


def test_shortest_tells_neighbouring_floats_apart():
    value = np.float32(0.7)
    neighbours = np.array([value, np.nextafter(value, np.float32(1))])
    low, high = shortest(neighbours)
    assert low < high
    assert np.float32(low) == neighbours[0]
    assert np.float32(high) == neighbours[1]


@pytest.fixture
def entries(found):
    return json.loads(json.dumps(found.to_coco(7)))


def read(folder, content):
    path = folder / "results.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_results(path, image_sizes=SIZES, category_ids=CATEGORY_IDS)


def test_reading_gives_back_what_was_written(tmp_path, entries):
    assert read(tmp_path, entries) == entries


def test_reading_the_published_files(shared_data):
    folder = shared_data / "coco_oracle"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    categories = [category["id"] for category in truth["categories"]]
    for kind in ("bbox", "segm"):
        path = folder / f"instances_val2014_fake{kind}100_results.json"
        assert len(read_results(path, image_sizes=sizes, category_ids=categories)) == 734


BAD_FIELDS = {
    "image": ({"image_id": 8}, "image_id: wanted an image of the ground truth, got 8"),
    "image as text": ({"image_id": "7"}, "image_id: wanted"),
    "category": ({"category_id": 6}, r"category_id: wanted .* \[5, 90\], got 6"),
    "score as text": ({"score": "high"}, "score: wanted a finite number, got 'high'"),
    "score not a number": ({"score": float("nan")}, "score: wanted a finite number, got nan"),
    "iou_score": ({"iou_score": None}, "iou_score: wanted a finite number"),
    "three numbers": ({"bbox": [1, 2, 3]}, "bbox: wanted"),
    "infinite box": ({"bbox": [1, 2, 3, float("inf")]}, "bbox: wanted"),
    "negative width": ({"bbox": [1, 2, -3, 4]}, "bbox: wanted"),
    "box of text": ({"bbox": "1 2 3 4"}, "bbox: wanted"),
    "polygon": ({"segmentation": [[0, 0, 1, 0, 1, 1]]}, "segmentation: wanted COCO RLE"),
    "no counts": ({"segmentation": {"size": [60, 80]}}, "segmentation: wanted COCO RLE"),
    "other size": ({"segmentation": {"size": [80, 60], "counts": "PU2"}}, r"size: wanted .*\[60, 80\], got \[80, 60\]"),
    "plain counts": ({"segmentation": {"size": [60, 80], "counts": [4800]}}, "counts: wanted a compressed string"),
    "too few pixels": ({"segmentation": {"size": [60, 80], "counts": "1"}}, "counts: wanted runs"),
    "not the code": ({"segmentation": {"size": [60, 80], "counts": "é é"}}, "counts: wanted runs"),
    "cut short": ({"segmentation": {"size": [60, 80], "counts": "o"}}, "counts: wanted runs"),
}


@pytest.mark.parametrize(("change", "message"), BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
def test_a_bad_field_is_named_with_file_and_entry(tmp_path, entries, change, message):
    entries[1] |= change
    with pytest.raises(InputError, match=rf"results\.json: entry 1, .*{message}"):
        read(tmp_path, entries)


@pytest.mark.parametrize("key", ["image_id", "category_id", "score"])
def test_a_missing_key(tmp_path, entries, key):
    del entries[1][key]
    with pytest.raises(InputError, match=rf"results\.json: entry 1: wanted the key {key}"):
        read(tmp_path, entries)


def test_neither_box_nor_mask(tmp_path, entries):
    del entries[0]["bbox"], entries[0]["segmentation"]
    with pytest.raises(InputError, match="entry 0: wanted bbox or segmentation"):
        read(tmp_path, entries)


@pytest.mark.parametrize("content", ["{}", "null", "3", "[3]", "[", "no json"])
def test_what_is_no_list_of_entries(tmp_path, content):
    with pytest.raises(InputError, match=r"results\.json: .*wanted"):
        read(tmp_path, content)


@pytest.mark.parametrize("entries", [[], [{"image_id": 1, "category_id": 2}]])
def test_written_results_are_known_again(tmp_path, entries):
    write_results(tmp_path / "results.json", entries)
    assert is_results(tmp_path / "results.json")
    (tmp_path / "mine.json").write_text(json.dumps([{"id": 1}]))
    assert not is_results(tmp_path / "mine.json")
