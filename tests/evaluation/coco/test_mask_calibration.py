"""Predicted against true mask IoU, with hand-made masks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.ground_truth import load_ground_truth
from mindrcnn.evaluation.coco.mask_calibration import (
    MAX_POINTS,
    best_mask_ious,
    calibrate,
    correlation,
    draw_scatter,
    summary_line,
    without_iou_scores,
    write_calibration,
)
from mindrcnn.evaluation.paste import encode_bitmap
from mindrcnn.image_detector import image_detections

HEIGHT, WIDTH = 20, 40


def bar(columns):
    """Returns a mask that covers the first columns of the upper half of the image."""
    bitmap = np.zeros((HEIGHT, WIDTH), bool)
    bitmap[:10, :columns] = True
    return bitmap


def annotation(image_id, category_id, bitmap, iscrowd=0):
    rle = encode_bitmap(bitmap)
    return {"image_id": image_id, "category_id": category_id, "bbox": [0, 0, 40, 10], "segmentation": rle} | {
        "iscrowd": iscrowd
    }


def truth_of(*annotations):
    images = [{"id": number, "height": HEIGHT, "width": WIDTH} for number in (1, 2)]
    categories = [{"id": 5, "name": "fig"}, {"id": 9, "name": "nut"}]
    return load_ground_truth({"images": images, "categories": categories, "annotations": list(annotations)})


def entry(image_id, category_id, bitmap, iou_score, score=0.5):
    found = {"image_id": image_id, "category_id": category_id, "bbox": [0, 0, 40, 10], "score": score}
    return found | {"segmentation": encode_bitmap(bitmap), "iou_score": iou_score}


def report_of(truth, results):
    rescored = evaluate(truth, results, iou_type="segm")
    plain = evaluate(truth, without_iou_scores(results), iou_type="segm")
    return calibrate(truth, results, rescored=rescored, plain=plain)


TRUTH = truth_of(
    annotation(1, 5, bar(20)),
    annotation(1, 5, bar(40)),
    annotation(1, 9, bar(10)),
    annotation(2, 9, bar(40), iscrowd=1),
)


def test_the_best_object_of_the_own_class_in_the_own_image_counts():
    results = [
        entry(1, 5, bar(20), 0.0),  # equal to the first
        entry(1, 5, bar(30), 0.0),  # 20/30 and 30/40
        entry(1, 9, bar(20), 0.0),  # the object of its class is half of it
        entry(1, 5, ~bar(40), 0.0),  # overlaps nothing
        entry(2, 5, bar(20), 0.0),  # no object in its image
        entry(2, 9, bar(40), 0.0),  # a crowd only
        entry(1, 5, bar(10), 0.0),
    ]
    np.testing.assert_allclose(best_mask_ious(TRUTH, results), [1, 0.75, 0.5, 0, 0, 0, 0.5])


def test_numbers_by_hand():
    results = [
        entry(1, 5, bar(20), 0.8),
        entry(1, 9, bar(20), 0.6),
        entry(1, 5, bar(30), 0.75),
        entry(2, 5, bar(20), 0.9),
    ]
    report = report_of(TRUTH, results)
    assert report.detections == 4
    np.testing.assert_allclose(report.true, [1, 0.5, 0.75])
    np.testing.assert_allclose(report.predicted, [0.8, 0.6, 0.75])
    assert report.mean_error == pytest.approx((-0.2 + 0.1 + 0) / 3)
    assert report.mean_absolute_error == pytest.approx((0.2 + 0.1 + 0) / 3)
    x, y = np.array([1, 0.5, 0.75]) - 0.75, np.array([0.8, 0.6, 0.75]) - np.mean([0.8, 0.6, 0.75])
    assert report.correlation == pytest.approx((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))


def test_the_gain_of_rescoring():
    truth = truth_of(annotation(1, 5, bar(40)))
    results = [entry(1, 5, bar(10), 0.2, score=0.9), entry(1, 5, bar(40), 0.9, score=0.6)]
    report = report_of(truth, results)
    assert report.mask_ap["AP"] == pytest.approx(1)
    assert report.mask_ap_without_rescoring["AP"] == pytest.approx(0.5)
    assert "AP 100.0, 50.0 without rescoring" in summary_line(report)
    assert set(report.mask_ap) == {"AP", "AP50", "AP75"}
    assert "iou_score" in results[0]


@pytest.mark.parametrize(
    "results",
    [[], [entry(1, 5, ~bar(40), 0.7)], without_iou_scores([entry(1, 5, bar(20), 0.7)])],
    ids=["no detections", "no overlap", "no predicted IoU"],
)
def test_nothing_to_compare(tmp_path, results):
    report = report_of(TRUTH, results)
    write_calibration(tmp_path, report)
    document = json.loads((tmp_path / "mask_calibration.json").read_text())
    assert document["matched"] == 0
    assert document["detections"] == sum("iou_score" in one for one in results)
    assert (document["correlation"], document["mean_error"], document["mean_absolute_error"]) == (None, None, None)
    assert imread(tmp_path / "mask_calibration.png").shape[:2] == (600, 600)
    assert "no mask overlaps" in summary_line(report)


def test_no_objects(tmp_path):
    report = report_of(truth_of(), [entry(1, 5, bar(20), 0.7)])
    write_calibration(tmp_path, report)
    assert "AP -, - without rescoring" in summary_line(report)


def test_correlation_needs_two_different_values():
    values = np.array([0.2, 0.4, 0.9])
    assert correlation(values, 1 - values) == pytest.approx(-1)
    for same in (np.full(3, 0.7), np.zeros(3)):
        assert correlation(values, same) is None
        assert correlation(same, values) is None
    assert correlation(values[:1], values[:1]) is None


def test_files(tmp_path):
    results = [entry(1, 5, bar(20), 0.8), entry(1, 9, bar(20), 1.3)]
    report = report_of(TRUTH, results)
    write_calibration(tmp_path / "new", report)
    document = json.loads((tmp_path / "new" / "mask_calibration.json").read_text())
    assert document["matched"] == 2
    assert document["correlation"] == pytest.approx(-1)
    assert document["mask_ap"]["AP"] == report.mask_ap["AP"]
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"mask_calibration.json", "mask_calibration.png"}
    with pytest.raises(InputError, match="cannot write"):
        write_calibration(Path("/proc/nothing"), report)


def test_points_of_the_picture(tmp_path):
    """A point darkens the picture at its position; of many points an even selection is drawn."""
    report = report_of(TRUTH, [entry(1, 5, bar(20), 0.8)])
    pictures = []
    for true in (0.25, 0.75):
        points = np.full(3 * MAX_POINTS, 0.5)
        points[-1] = true
        draw_scatter(replace(report, true=points, predicted=np.full(len(points), 0.5)), tmp_path / "a.png")
        pictures.append(imread(tmp_path / "a.png")[..., :3].mean(axis=2))
    change = pictures[1] - pictures[0]
    darker, lighter = np.argwhere(change < -0.1).mean(axis=0), np.argwhere(change > 0.1).mean(axis=0)
    assert darker[1] - lighter[1] == pytest.approx(250, abs=40)
    assert darker[0] == pytest.approx(lighter[0], abs=1)


def test_a_detectors_outputs_order_boxes_by_score_and_masks_by_mask_score():
    """From outputs to AP: the better mask has the lower class score and the higher mask score."""
    truth = truth_of(annotation(1, 5, bar(40)))
    boxes = np.float32([[[0, 0, 10, 10], [0, 0, 40, 10]]])
    scores, ious = np.float32([[0.9, 0.6]]), np.float32([[0.25, 0.875]])
    masks = np.ones((1, 2, 28, 28), np.float32)
    outputs = boxes, scores, np.ones((1, 2), np.int32), np.ones((1, 2), bool), masks, scores * ious
    size = HEIGHT, WIDTH
    found = image_detections(outputs, 0, valid_size=size, original_size=size)
    entries = found.to_coco(1, category_ids=(5, 9))
    assert [(one["score"], one["iou_score"]) for one in entries] == [(0.9, 0.25), (0.6, 0.875)]
    assert evaluate(truth, entries, iou_type="bbox").stats["AP"] == pytest.approx(0.5)
    assert evaluate(truth, entries, iou_type="segm").stats["AP"] == pytest.approx(1)
    assert report_of(truth, entries).true.tolist() == [0.25, 1.0]
