"""Kinds of error: the paper's definitions on hand-made cases, and tidecv's own numbers."""

import numpy as np
import pytest
from report_sides import match_boxes, sides

from mindrcnn.report.error_kinds import Kind, error_costs, find_errors
from mindrcnn.report.matches import find_matches

BOX = [50, 50, 40, 40]
NEAR = [50, 50, 40, 18]  # IoU 0.45 with BOX
FAR = [150, 150, 20, 20]

# tidecv 1.0.1 on pycocotools' example: AP averaged over the classes that have objects; its own mean takes others too.
TIDECV = {
    "bbox": {
        "ap50": 0.6970827,
        "cost": (0.1674275, 0.0024742, -0.0000246, 0.0002060, -0.0000246, 0.0821519),
        "special": (0.0740630, 0.1803098),
        "count": (83, 1, 0, 1, 0, 97),
    },
    "segm": {
        "ap50": 0.5624088,
        "cost": (0.1368841, 0.1259507, 0.0034519, -0.0000552, 0.0029109, 0.0759424),
        "special": (0.0940268, 0.2470195),
        "count": (76, 82, 7, 0, 4, 109),
    },
}


def kinds(objects, detections, **options):
    errors = find_errors(match_boxes(objects, detections, **options))
    return [Kind(one) for one in errors.kind], errors


@pytest.mark.parametrize(
    ("detection", "kind"),
    [
        (("cat", BOX), Kind.CORRECT),
        (("dog", BOX), Kind.CLASSIFICATION),
        (("cat", NEAR), Kind.LOCALISATION),
        (("dog", NEAR), Kind.BOTH),
        (("cat", FAR), Kind.BACKGROUND),
        (("dog", FAR), Kind.BACKGROUND),
    ],
)
def test_a_single_detection_is_of_the_kind_that_the_paper_says(detection, kind):
    found, errors = kinds([(1, "cat", BOX)], [(1, *detection, 0.9)])
    assert found == [kind]
    missed = kind not in (Kind.CORRECT, Kind.CLASSIFICATION, Kind.LOCALISATION)
    assert errors.missed.tolist() == [missed]


def test_the_second_detection_of_an_object_is_a_duplicate():
    assert kinds([(1, "cat", BOX)], [(1, "cat", BOX, 0.8), (1, "cat", BOX, 0.9)])[0] == [Kind.DUPLICATE, Kind.CORRECT]


def test_a_detection_in_a_crowd_or_beyond_the_limit_is_ignored():
    crowd = [(1, "cat", [0, 0, 120, 120], "crowd"), (1, "cat", FAR)]
    assert kinds(crowd, [(1, "cat", BOX, 0.9)])[0] == [Kind.IGNORED]
    assert (
        kinds([(1, "cat", BOX)], [(1, "cat", FAR, 0.9), (1, "cat", BOX, 0.8)], max_detections=1)[0][1] == Kind.IGNORED
    )


def test_an_image_without_objects_has_background_errors_only():
    assert kinds([(1, "cat", BOX)], [(2, "dog", BOX, 0.9)], images=2)[0] == [Kind.BACKGROUND]


def test_mending_a_kind_gains_what_it_costs():
    objects = [(1, "cat", BOX), (1, "dog", FAR)]
    matches = match_boxes(objects, [(1, "dog", BOX, 0.9), (1, "dog", FAR, 0.8)])
    costs = error_costs(matches, find_errors(matches))
    assert costs["ap50"] == pytest.approx((0 + 0.5) / 2)
    assert costs["cost"]["classification"] == pytest.approx(0.75)  # both classes become perfect
    assert costs["per_class"][0]["cost"]["classification"] == pytest.approx(1.0)
    assert costs["per_class"][1]["cost"]["classification"] == pytest.approx(0.5)
    assert costs["count"] == {
        "classification": 1, "localisation": 0, "both": 0, "duplicate": 0, "background": 0, "missed": 0
    }  # fmt: skip


def test_of_two_errors_about_an_object_only_the_better_is_made_right():
    matches = match_boxes([(1, "cat", BOX)], [(1, "cat", NEAR, 0.5), (1, "cat", NEAR, 0.9)])
    costs = error_costs(matches, find_errors(matches))
    assert costs["cost"]["localisation"] == pytest.approx(1.0)
    assert costs["count"]["localisation"] == 2


def test_missed_objects_are_not_counted_when_mended():
    matches = match_boxes([(1, "cat", BOX), (1, "cat", FAR)], [(1, "cat", BOX, 0.9)])
    costs = error_costs(matches, find_errors(matches))
    assert costs["ap50"] == pytest.approx(51 / 101)
    assert costs["cost"]["missed"] == pytest.approx(50 / 101)
    assert costs["special"]["false_negative"] == pytest.approx(50 / 101)
    assert costs["special"]["false_positive"] == pytest.approx(0)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_published_example_has_tidecvs_numbers(oracle, kind):
    truth, results = oracle
    matches = find_matches(*sides(truth, results[kind]), kind, max_detections=100)
    errors = error_costs(matches, find_errors(matches))
    wanted = TIDECV[kind]
    assert tuple(errors["count"].values()) == wanted["count"]
    # The example's scores have ties, which the two break in different orders.
    assert errors["ap50"] == pytest.approx(wanted["ap50"], abs=4e-4)
    assert tuple(errors["cost"].values()) == pytest.approx(np.maximum(wanted["cost"], 0), abs=4e-4)
    assert tuple(errors["special"].values()) == pytest.approx(wanted["special"], abs=4e-4)
