"""Ground truth made from a data set."""

from array import array
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.masks import Polygons, RunLengths
from mindrcnn.data.record import Dataset, Record
from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.ground_truth import ground_truth_of, load_ground_truth


@pytest.fixture
def dataset():
    """Two images with a polygon, run lengths (a crowd) and only a box; category ids 4 and 90."""
    stripe = RunLengths(height=20, width=30, runs=np.array([100, 40, 460], np.uint32))
    first = Record(
        image_id=11,
        path=Path("folder/a.jpg"),
        height=20,
        width=30,
        boxes=np.array([[2, 3, 10, 9], [5, 0, 7, 20]], np.float32),
        labels=np.array([2, 1], np.int32),
        crowd=np.array([False, True]),
        segmentations=(Polygons((array("f", [2, 3, 10, 3, 10, 9]),)), stripe),
    )
    second = Record(
        image_id=12,
        path=Path("folder/b.jpg"),
        height=40,
        width=50,
        boxes=np.array([[1.5, 2, 11.5, 22]], np.float32),
        labels=np.array([1], np.int32),
        crowd=np.array([False]),
        segmentations=(None,),
    )
    return Dataset(
        records=(first, second),
        classes=("cat", "dog"),
        category_ids=(4, 90),
        annotation_file=Path("list.txt"),
        without_mask=(1,),
    )


def test_every_field(dataset):
    made = ground_truth_of(dataset)
    assert made.images[1] == {"id": 12, "file_name": "b.jpg", "height": 40, "width": 50}
    assert made.categories == ({"id": 4, "name": "cat"}, {"id": 90, "name": "dog"})
    polygon, crowd, box_only = made.annotations
    assert [one["id"] for one in made.annotations] == [1, 2, 3]
    assert (polygon["image_id"], polygon["category_id"], polygon["bbox"]) == (11, 90, [2, 3, 8, 6])
    assert (polygon["area"], polygon["iscrowd"]) == (pytest.approx(24, abs=4), 0)
    assert mask_api.toBbox(polygon["segmentation"]).tolist() == pytest.approx([2, 3, 8, 6], abs=1)
    assert (crowd["category_id"], crowd["area"], crowd["iscrowd"]) == (4, 40, 1)
    stripe = np.zeros((20, 30), np.uint8)
    stripe[:, 5:7] = 1
    np.testing.assert_array_equal(mask_api.decode(crowd["segmentation"]), stripe)
    assert (box_only["image_id"], box_only["bbox"], box_only["area"]) == (12, [1.5, 2, 10, 20], 200)
    assert "segmentation" not in box_only


def test_it_can_be_evaluated(dataset):
    results = [
        {"image_id": 11, "category_id": 90, "bbox": [2, 3, 8, 6], "score": 0.9},
        {"image_id": 12, "category_id": 4, "bbox": [1.5, 2, 10, 20], "score": 0.9},
    ]
    metrics = evaluate(ground_truth_of(dataset), results, iou_type="bbox")
    assert metrics.stats["AP"] == pytest.approx(1)
    assert [one.objects for one in metrics.per_class] == [1, 1]


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_records_of_a_coco_file_score_as_the_file(shared_data, iou_type):
    folder = shared_data / "coco_mini"
    path = folder / "annotations" / "instances_val2017.json"
    from_file = load_ground_truth(path)
    dataset = read_coco(annotations=path, images=folder / "val2017")
    assert ground_truth_of(dataset).annotations == from_file.annotations
    bare = [replace(record, stated=None) for record in dataset.records]
    from_records = ground_truth_of(replace(dataset, records=bare))
    rng = np.random.default_rng(0)
    results = [
        {
            "image_id": one["image_id"],
            "category_id": one["category_id"],
            "bbox": (np.array(one["bbox"]) + rng.uniform(0, 0.1, 4) * np.array(one["bbox"])[[2, 3, 2, 3]]).tolist(),
            "segmentation": from_file.annotations[index - index % 2]["segmentation"],
            "score": float(rng.uniform()),
        }
        for index, one in enumerate(from_file.annotations)
        if from_file.annotations[index - index % 2]["image_id"] == one["image_id"]
    ]
    expected, got = (evaluate(truth, results, iou_type=iou_type).stats for truth in (from_file, from_records))
    assert 0.1 < expected["AP"] < 0.9
    for name in ("AP", "AP50", "AP75", "AR1", "AR10", "AR100"):  # COCO's own areas are of polygons, so sizes may differ
        assert got[name] == pytest.approx(expected[name], abs=1e-9)
