"""The table of matches gives the numbers of COCO's own evaluation, for the images and for any resample of them."""

import numpy as np
import pytest
from pycocotools import mask as mask_api
from report_sides import SIDE, entries, ground_truth, match_boxes, random_split, sides

from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.ground_truth import load_ground_truth
from mindrcnn.evaluation.coco.metrics import mean_or_nothing
from mindrcnn.report.bootstrap import mean_of_existing
from mindrcnn.report.matches import find_matches
from mindrcnn.report.overlaps import box_ious
from mindrcnn.report.precision import compute_scores
from mindrcnn.report.tables import METRICS


def stats(truth, results, kind="bbox", *, weights=None, max_detections=100):
    arrays, found = sides(truth, results)
    matches = find_matches(arrays, found, kind, max_detections=max_detections)
    counts = np.ones((1, len(arrays.image_ids)), np.int32) if weights is None else np.array([weights], np.int32)
    scores = compute_scores(matches, counts)
    return {name: mean_of_existing(values(scores))[0] for name, values in METRICS.items()}, scores


def assert_coco(truth, results, kind="bbox", *, max_detections=100):
    own, scores = stats(truth, results, kind, max_detections=max_detections)
    wanted = evaluate(truth, results, iou_type=kind, max_detections=max_detections)
    expected = {("AR" if name == f"AR{max_detections}" else name): value for name, value in wanted.stats.items()}
    assert own == pytest.approx(expected, abs=1e-12)
    for label, one in enumerate(wanted.per_class):
        assert mean_or_nothing(scores.ap[0, 0, :, label]) == pytest.approx(one.ap, abs=1e-12)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_published_example_has_cocos_numbers(oracle, kind):
    truth, results = oracle
    assert_coco(truth, results[kind], kind)


@pytest.mark.parametrize("seed", range(6))
def test_made_up_boxes_with_crowds_and_equal_scores_have_cocos_numbers(seed):
    assert_coco(*random_split(seed))


@pytest.mark.parametrize("limit", [11, 12])
def test_detections_beyond_the_limit_are_not_counted(limit):
    box = [10, 10, 40, 40]
    shifted = [(1, "cat", [10 + step, 10, 40, 40], 1 - step / 50) for step in range(20, 8, -1)]
    truth = ground_truth([(1, "cat", box)])
    detections = entries([*shifted, (1, "cat", box, 0.1)])
    assert_coco(truth, detections, max_detections=limit)


def with_masks(truth, results):
    """Gives every object and detection the mask of its box."""

    def rle(box):
        x, y, width, height = box
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        packed = mask_api.merge(mask_api.frPyObjects([corners], SIDE, SIDE))
        return packed | {"counts": packed["counts"].decode()}

    annotations = [dict(one, segmentation=rle(one["bbox"])) for one in truth.annotations]
    content = {"images": truth.images, "categories": truth.categories, "annotations": annotations}
    return load_ground_truth(content), [dict(one, segmentation=rle(one["bbox"])) for one in results]


@pytest.mark.parametrize("kind", ["segm", "boundary"])
def test_made_up_masks_have_cocos_numbers(kind):
    truth, results = with_masks(*random_split(3, images=6))
    for place, entry in enumerate(results):
        entry["iou_score"] = 0.3 + 0.6 * (place % 5) / 5  # masks rank by another number than boxes
    assert_coco(truth, results, kind)


def test_a_resample_has_the_numbers_of_a_split_that_repeats_its_images():
    truth, results = random_split(11, images=8)
    weights = [2, 0, 1, 3, 1, 0, 1, 2]
    images, annotations, repeated = [], [], []
    for image, weight in zip(truth.images, weights, strict=True):
        for copy in range(weight):
            number = image["id"] * 10 + copy
            images.append(image | {"id": number})
            annotations += [one | {"image_id": number} for one in truth.annotations if one["image_id"] == image["id"]]
            repeated += [one | {"image_id": number} for one in results if one["image_id"] == image["id"]]
    for number, one in enumerate(annotations, start=1):
        one["id"] = number
    copies = load_ground_truth({"images": images, "categories": truth.categories, "annotations": annotations})
    assert stats(truth, results, weights=weights)[0] == pytest.approx(stats(copies, repeated)[0], abs=1e-12)


def test_overlaps_of_boxes_are_those_of_pycocotools_to_the_last_bit():
    random = np.random.default_rng(5)
    first, second = random.uniform(0, 50, (200, 4)), random.uniform(0, 50, (200, 4))
    for crowd in (False, True):
        wanted = [
            mask_api.iou([one.tolist()], [other.tolist()], [int(crowd)])[0][0]
            for one, other in zip(first, second, strict=True)
        ]
        assert (box_ious(first, second, np.full(200, crowd)) == wanted).all()


def test_a_box_is_matched_to_a_crowd_only_where_nothing_else_fits():
    matches = match_boxes(
        [(1, "cat", [0, 0, 100, 100], "crowd"), (1, "cat", [10, 10, 40, 40])],
        [(1, "cat", [10, 10, 40, 40], 0.9), (1, "cat", [60, 60, 20, 20], 0.8), (1, "cat", [150, 150, 20, 20], 0.7)],
    )
    assert matches.correct().tolist() == [True, False, False]
    assert matches.excused().tolist() == [False, True, False]


def test_without_detections_and_without_objects_nothing_fails():
    assert match_boxes([(1, "cat", [0, 0, 10, 10])], []).correct().shape == (0,)
    matches = match_boxes([], [(1, "cat", [0, 0, 10, 10], 0.5)])
    assert (compute_scores(matches, np.ones((1, 1), np.int32)).ap == -1).all()


def test_an_entry_of_an_unknown_image_is_named():
    with pytest.raises(InputError, match="entry 0: wanted an image_id of ground truth, got 9"):
        sides(ground_truth([(1, "cat", [0, 0, 10, 10])]), entries([(9, "cat", [0, 0, 10, 10], 0.5)]))
