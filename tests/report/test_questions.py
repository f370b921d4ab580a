"""Thresholds, confusion, calibration, gallery, comparison and words, on cases small enough to count by hand."""

import numpy as np
import pytest
from report_sides import entries, ground_truth, match_boxes, random_split, sides

from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import write_json
from mindrcnn.report.advice import worst_class
from mindrcnn.report.bootstrap import draw_weights, resampled_scores
from mindrcnn.report.calibration import iou_calibration, reliability, score_calibration
from mindrcnn.report.comparison import compare_objects, compare_scores, compare_settings, difference
from mindrcnn.report.confusion import confusion
from mindrcnn.report.document import Options, Run, make_document
from mindrcnn.report.error_kinds import Kind, find_errors
from mindrcnn.report.gallery import View, choose_images, make_gallery
from mindrcnn.report.matches import find_matches
from mindrcnn.report.precision_recall import best_f1, find_curves, for_precision, precision_recall
from mindrcnn.report.thresholds import least_scores, read_scores, write_thresholds

BOX, OTHER, FAR = [50, 50, 40, 40], [110, 50, 40, 40], [150, 150, 20, 20]
ALL = np.zeros(2)  # every detection is shown


def view(objects, detections, kept_from=ALL, **options):
    matches = match_boxes(objects, detections, **options)
    return View(matches, find_errors(matches), kept_from)


def test_precision_and_recall_over_the_score():
    matches = match_boxes(
        [(1, "cat", BOX), (1, "cat", OTHER)],
        [(1, "cat", BOX, 0.9), (1, "cat", FAR, 0.8), (1, "cat", OTHER, 0.8), (1, "cat", FAR, 0.1)],
    )
    cat, dog = find_curves(matches)
    assert cat.scores.tolist() == [0.9, 0.8, 0.1]  # one point for equal scores
    assert cat.precision.tolist() == pytest.approx([1, 2 / 3, 1 / 2])
    assert cat.recall.tolist() == pytest.approx([1 / 2, 1, 1])
    assert best_f1(cat) == pytest.approx({"score": 0.8, "precision": 2 / 3, "recall": 1, "f1": 0.8})
    assert for_precision(cat, 0.6)["score"] == 0.8
    assert for_precision(cat, 0.9)["score"] == 0.9
    assert for_precision(dog, 0.9) is None
    assert best_f1(dog) is None


def test_a_threshold_is_rounded_down_so_that_it_keeps_its_detection():
    matches = match_boxes([(1, "cat", BOX)], [(1, "cat", BOX, 0.123456)])
    assert precision_recall(matches, precision=0.5)[0]["best_f1"]["score"] == 0.1234


def test_confusion_counts_every_object_and_every_shown_detection_once():
    objects = [
        (1, "cat", BOX),
        (1, "dog", OTHER),
        (1, "dog", FAR),
        (2, "cat", BOX),
        (2, "cat", [0, 0, 190, 190], "crowd"),
    ]
    detections = [
        (1, "cat", BOX, 0.9),  # right
        (1, "cat", OTHER, 0.8),  # a dog
        (1, "dog", [0, 0, 10, 10], 0.7),  # nothing
        (1, "dog", FAR, 0.1),  # below the threshold, so the object is missed
        (2, "cat", FAR, 0.9),  # in the crowd
    ]
    found = confusion(match_boxes(objects, detections, images=2), np.array([0.5, 0.5]))
    assert found["matrix"] == [[1, 0, 1], [1, 0, 1], [0, 1, 0]]
    assert found["pairs"] == [[1, 0, 1]]


def test_an_object_is_confused_once_with_the_most_confident_detection():
    found = confusion(match_boxes([(1, "cat", BOX)], [(1, "dog", BOX, 0.6), (1, "dog", BOX, 0.9)]), ALL)
    assert found["matrix"] == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_reliability_and_its_error():
    objects = [(image, "cat", BOX) for image in range(1, 5)]
    right = [(image, "cat", BOX, 0.82) for image in (1, 2)]
    wrong = [(image, "cat", FAR, 0.82) for image in (3, 4)] + [(1, "cat", FAR, 0.01)]
    calibration = score_calibration(match_boxes(objects, right + wrong, images=4))
    assert calibration["detections"] == 4  # the faint one is left out
    assert calibration["error"] == pytest.approx(0.32)
    (only,) = calibration["bins"]
    assert (only["low"], only["count"], only["happened"]) == (pytest.approx(0.8), 4, 0.5)
    assert calibration["per_class"][1] == {"name": "dog", "detections": 0, "error": None}


def test_predicted_ious_outside_0_to_1_fall_into_the_outer_bins():
    bins = reliability(np.array([-0.2, 1.0, 1.3]), np.array([0.0, 0.5, 1.0]))
    assert [(one["count"], one["happened"]) for one in bins] == [(1, 0.0), (2, 0.75)]


def test_boxes_have_no_calibration_of_mask_ious():
    matches = match_boxes([(1, "cat", BOX)], [(1, "cat", BOX, 0.9)])
    assert iou_calibration(matches, find_errors(matches)) is None


def test_the_gallery_puts_the_worst_image_first_and_mistakes_by_confidence():
    one = view(
        [(1, "cat", BOX), (2, "cat", BOX), (2, "dog", OTHER), (3, "dog", FAR, "crowd")],
        [(1, "cat", BOX, 0.9), (1, "dog", FAR, 0.6), (2, "dog", BOX, 0.8), (3, "dog", FAR, 0.99)],
        images=3,
    )
    assert one.badness.tolist() == [1, 3, 0]
    images = choose_images([one])
    assert images == [1, 0, 2]
    gallery = make_gallery([one], images)
    worst, second, last = gallery["images"]
    assert (worst["file"], worst["errors"]) == ("2.jpg", [3])
    assert [item["f"] for item in worst["objects"]] == [[0], [0]]
    assert [item["k"] for item in second["runs"][0]] == [Kind.CORRECT, Kind.BACKGROUND]
    assert last["runs"] == [[]]  # what a crowd excuses is neither right nor wrong
    assert gallery["mistakes"] == [[0, 0], [1, 1]]


def test_a_large_split_has_the_worst_images_and_some_of_each_kind():
    objects = [(image, "cat", BOX) for image in range(1, 40)]
    detections = [(image, "cat", FAR, 0.3) for image in range(1, 20)] + [
        (image, "cat", BOX, 0.9) for image in range(20, 39)
    ]
    one = view(objects, [*detections, (39, "dog", BOX, 0.9)], images=39)
    chosen = choose_images([one], limit=12)
    assert len(chosen) == 12
    assert 38 in chosen  # the only confusion of classes


def test_a_difference_is_noise_unless_its_interval_leaves_out_0():
    random = np.random.default_rng(0)
    first = np.append(0.5, random.normal(0.5, 0.01, 300))
    verdicts = [difference(first, first + gain + random.normal(0, 0.01, 301))["verdict"] for gain in (0.2, -0.2, 0.0)]
    assert verdicts == ["better", "worse", "noise"]
    assert difference(first, np.full(301, -1.0))["verdict"] == "unknown"
    assert difference(first, first, enough=False)["verdict"] == "unknown"


def test_a_run_against_itself_differs_by_nothing_and_a_worse_one_by_what_it_misses():
    truth, results = random_split(4, images=30)
    arrays, found = sides(truth, results)
    matches = find_matches(arrays, found, "bbox", max_detections=100)
    scores = resampled_scores(matches, draw_weights(30, 50, 0))
    itself = compare_scores(arrays, scores, scores)
    assert {one["difference"] for one in itself["metrics"].values() if one["verdict"] != "unknown"} == {0.0}
    assert itself["metrics"]["AP"]["verdict"] == "noise"
    objects = [(1, "cat", BOX), (1, "dog", OTHER), (2, "cat", BOX)]
    first = view(objects, [(1, "cat", BOX, 0.9), (2, "cat", BOX, 0.9)], images=2)
    other = view(objects, [(1, "cat", BOX, 0.9), (1, "dog", OTHER, 0.9)], images=2)
    compared = compare_objects(first, other)
    assert [compared[key] for key in ("both", "neither", "only_first", "only_other")] == [1, 0, 1, 1]
    assert [one["file"] for one in compared["images"]] == ["1.jpg", "2.jpg"]
    assert compared["per_class"] == [
        {"name": "cat", "only_first": 1, "only_other": 0},
        {"name": "dog", "only_first": 0, "only_other": 1},
    ]


def test_settings_that_differ():
    first, other = {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"}
    assert compare_settings(first, other) == [["b", "2", "4"], ["c", "3", ""], ["d", "", "5"]]


def test_the_first_screen_names_the_worst_class_its_main_error_and_a_remedy():
    objects = [(image, name, box) for image in range(1, 11) for name, box in (("cat", BOX), ("dog", OTHER))]
    detections = [(image, "cat", BOX, 0.9) for image in range(1, 11)]
    detections += [(image, "dog" if image > 7 else "cat", OTHER, 0.8) for image in range(1, 11)]
    arrays, found = sides(ground_truth(objects, images=10), entries(detections))
    document, images = make_document(
        arrays, [Run(name="run", found=found, settings={})], Options(kinds=("bbox",), max_detections=100, resamples=40)
    )
    summary = document["summary"]
    assert summary["worst_class"]["name"] == "dog"
    assert summary["worst_class"]["kind"] == summary["main_error"]["kind"] == "classification"
    assert "7 detections found but given the wrong class" in summary["main_error"]["text"]
    assert "labels" in summary["worst_class"]["advice"]
    assert "20 objects in 10 images" in summary["headline"]["text"]
    assert len(images) == 10
    assert document["thresholds"]["best_f1"]["dog"]["score"] == 0.8


def test_outlines_that_fail_stricter_limits_alone_are_the_main_error():
    """Errors as TIDE counts them end at IoU 0.5, where nothing is wrong here."""
    objects = [(image, name, box) for image in range(1, 11) for name, box in (("cat", BOX), ("dog", OTHER))]
    wide = [110, 50, 40, 60]  # IoU 2/3 with OTHER
    detections = [(image, name, box, 0.9) for image in range(1, 11) for name, box in (("cat", BOX), ("dog", wide))]
    arrays, found = sides(ground_truth(objects, images=10), entries(detections))
    runs = [Run(name="run", found=found, settings={})]
    document, _ = make_document(arrays, runs, Options(kinds=("bbox",), max_detections=100, resamples=40))
    worst = document["summary"]["worst_class"]
    assert (worst["name"], worst["kind"]) == ("dog", None)  # none of the gallery's mistakes is such a one
    assert worst["text"].endswith("outlined too inexactly: AP 100.0 at IoU 0.50, 0.0 at IoU 0.75.")
    assert "tight" in worst["advice"]
    assert "Most of what AP lacks is exactness (AP 100.0 at" in document["summary"]["hints"][0]


def test_the_worst_class_is_one_in_enough_images_if_there_is_any():
    def one(value, images):
        return {"AP": {"value": value}, "images": images}

    assert worst_class([one(0.5, 20), one(0.1, 2), one(0.3, 9), one(-1.0, 0)]) == 2
    assert worst_class([one(0.5, 2), one(0.1, 2)]) == 1
    assert worst_class([one(-1.0, 0)]) is None


def test_thresholds_go_to_a_file_and_back(tmp_path):
    file = tmp_path / "scores.json"
    write_thresholds(file, "best F1", {"cat": {"score": 0.25}, "<dog>": {"score": 0.5}})
    scores = read_scores(file)
    assert scores == {"cat": 0.25, "<dog>": 0.5}
    assert least_scores(scores, ["<dog>", "bird", "cat"], default=0.75).tolist() == [0.5, 0.75, 0.25]
    with pytest.raises(InputError, match=r"score per class: wanted classes of the model \(nearest: cats\), got 'cat'"):
        least_scores({"cat": 0.5}, ["cats"], default=0.5)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], 'wanted an object with "scores"'),
        ({"cat": 0.5}, 'wanted an object with "scores"'),
        ({"scores": {"cat": 2}}, "'cat': wanted a number from 0 to 1, got 2"),
        ({"scores": {"cat": "0.5"}}, "wanted a number from 0 to 1, got '0.5'"),
        ({"scores": {"cat": True}}, "wanted a number from 0 to 1, got True"),
    ],
)
def test_a_wrong_file_of_thresholds_is_one_message(tmp_path, document, message):
    file = tmp_path / "scores.json"
    write_json(file, document)
    with pytest.raises(InputError, match=message):
        read_scores(file)
