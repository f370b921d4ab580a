"""COCO evaluation: published numbers, AP computed by hand, and agreement of the two evaluators."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.evaluator import evaluate, log_uncounted
from mindrcnn.evaluation.coco.ground_truth import load_ground_truth
from mindrcnn.evaluation.paste import encode_bitmap

BACKENDS = ("faster_coco_eval", "pycocotools")


@pytest.fixture(scope="module")
def oracle(shared_data):
    return shared_data / "coco_oracle"


@pytest.fixture(scope="module")
def oracle_truth(oracle):
    return load_ground_truth(oracle / "instances_val2014_100.json")


@pytest.fixture(scope="module")
def mini_truth(shared_data):
    return load_ground_truth(shared_data / "coco_mini" / "annotations" / "instances_val2017.json")


def published_lines(oracle, iou_type):
    text = (oracle / "val2014_fake_eval_res.txt").read_text()
    section = text.split(f"type={iou_type}")[1].split("----")[0]
    return [" ".join(line.split()) for line in section.splitlines() if "Average" in line]


def assert_backends_agree(truth, results, iou_type, **options):
    fast, slow = (evaluate(truth, results, iou_type=iou_type, backend=backend, **options) for backend in BACKENDS)
    assert fast.stats == pytest.approx(slow.stats, abs=1e-9)
    assert fast.table == slow.table
    for one, other in zip(fast.per_class, slow.per_class, strict=True):
        assert (one.name, one.category_id, one.objects) == (other.name, other.category_id, other.objects)
        assert (one.ap, one.ap50) == pytest.approx((other.ap, other.ap50), abs=1e-9)
    return fast


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_reproduces_the_published_evaluation(oracle, oracle_truth, backend, iou_type, capfd):
    results = json.loads((oracle / f"instances_val2014_fake{iou_type}100_results.json").read_text())
    metrics = evaluate(oracle_truth, results, iou_type=iou_type, backend=backend)
    expected = published_lines(oracle, iou_type)
    assert len(expected) == 12
    assert [" ".join(line.split()) for line in metrics.table.splitlines()] == expected
    assert capfd.readouterr() == ("", "")


def test_boundary_of_the_published_results(oracle, oracle_truth, capfd):
    """Masks that are good inside and coarse at the border."""
    results = json.loads((oracle / "instances_val2014_fakesegm100_results.json").read_text())
    metrics = evaluate(oracle_truth, results, iou_type="boundary")
    assert metrics.stats["AP"] == pytest.approx(0.226, abs=5e-4)
    assert metrics.stats["AP"] < evaluate(oracle_truth, results, iou_type="segm").stats["AP"]
    assert (metrics.iou_type, metrics.images) == ("boundary", 100)
    assert capfd.readouterr() == ("", "")


def test_boundary_of_perfect_masks_and_of_nothing(mini_truth):
    assert evaluate(mini_truth, perfect_results(mini_truth), iou_type="boundary").stats["AP"] == pytest.approx(1)
    assert evaluate(mini_truth, [], iou_type="boundary").stats["AP"] == 0


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_the_table_is_what_pycocotools_prints(oracle, oracle_truth, iou_type, capsys):
    path = oracle / f"instances_val2014_fake{iou_type}100_results.json"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(oracle / "instances_val2014_100.json"))
        evaluator = COCOeval(truth, truth.loadRes(str(path)), iou_type)
        evaluator.evaluate()
        evaluator.accumulate()
    evaluator.summarize()
    metrics = assert_backends_agree(oracle_truth, json.loads(path.read_text()), iou_type)
    assert capsys.readouterr().out == metrics.table + "\n"
    assert list(metrics.stats.values()) == pytest.approx(evaluator.stats, abs=1e-12)


def perfect_results(truth):
    return [
        {
            "image_id": one["image_id"],
            "category_id": one["category_id"],
            "bbox": one["bbox"],
            "score": 0.9,
            "segmentation": one["segmentation"],
        }
        for one in truth.annotations
        if not one["iscrowd"]
    ]


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_perfect_detections_of_coco_have_ap_one(mini_truth, iou_type):
    metrics = assert_backends_agree(mini_truth, perfect_results(mini_truth), iou_type)
    assert (metrics.stats["AP"], metrics.stats["AP50"], metrics.stats["AR100"]) == pytest.approx((1, 1, 1), abs=1e-12)
    found = [one for one in metrics.per_class if one.objects]
    assert len(found) > 50
    assert all(one.ap == pytest.approx(1) for one in found)
    assert sum(one.objects for one in found) == 1001 - 14


def random_results(truth, rng, iou_type):
    """Moved and misclassified true objects, crowds and false positives; tied scores; some images without results."""
    sizes, categories = truth.image_sizes, truth.category_ids
    results = []
    for one in truth.annotations:
        if rng.uniform() < 0.2 or one["image_id"] % 7 == 0:
            continue
        height, width = sizes[one["image_id"]]
        for _ in range(rng.integers(1, 3)):
            box = np.array(one["bbox"]) + rng.normal(0, 0.1, 4) * (np.array(one["bbox"])[[2, 3, 2, 3]] + 1)
            x, y, w, h = (float(value) for value in np.maximum(box, [0, 0, 1, 1]))
            category = one["category_id"] if rng.uniform() < 0.8 else int(rng.choice(categories))
            score = float(np.round(rng.uniform(), 1))
            entry = {"image_id": one["image_id"], "category_id": category, "bbox": [x, y, w, h], "score": score}
            if iou_type == "segm":
                bitmap = np.zeros((height, width), bool)
                bitmap[int(y) : int(y + h), int(x) : int(x + w)] = True
                entry["segmentation"] = encode_bitmap(bitmap)
                entry["iou_score"] = float(rng.uniform())
            results.append(entry)
    return results


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("seed", [0, 1])
def test_backends_agree_on_random_detections(mini_truth, iou_type, seed):
    results = random_results(mini_truth, np.random.default_rng(seed), iou_type)
    metrics = assert_backends_agree(mini_truth, results, iou_type)
    assert 0.02 < metrics.stats["AP"] < 0.9


def test_backends_agree_beyond_100_detections_of_an_image(mini_truth):
    rng = np.random.default_rng(3)
    image = mini_truth.annotations[0]["image_id"]
    same = [one for one in mini_truth.annotations if one["image_id"] == image and not one["iscrowd"]]
    results = [
        {
            "image_id": image,
            "category_id": same[0]["category_id"],
            "bbox": (np.array(same[0]["bbox"]) + rng.uniform(0, 40, 4)).tolist(),
            "score": float(rng.uniform()),
        }
        for _ in range(150)
    ]
    assert_backends_agree(mini_truth, results, "bbox")


def square(x, y, side=100.0):
    return [x, y, side, side]


def made_up(boxes, *, categories=((1, "thing"),), **extra):
    """Ground truth of one 400x600 image; boxes: (category id, xywh)."""
    return {
        "images": [{"id": 4, "height": 400, "width": 600}],
        "categories": [{"id": number, "name": name} for number, name in categories],
        "annotations": [{"image_id": 4, "category_id": number, "bbox": box, **extra} for number, box in boxes],
    }


def result(category, box, score, **extra):
    return {"image_id": 4, "category_id": category, "bbox": box, "score": score, **extra}


@pytest.mark.parametrize("backend", BACKENDS)
class TestHandComputed:
    def test_shifted_by_a_tenth(self, backend):
        """IoU 90 / 110 = 0.818: found at the 7 thresholds 0.5 .. 0.8, missed at 0.85, 0.9, 0.95."""
        metrics = evaluate(
            made_up([(1, square(50, 50))]), [result(1, square(60, 50), 0.5)], iou_type="bbox", backend=backend
        )
        assert metrics.stats["AP"] == pytest.approx(0.7)
        assert metrics.stats["AP50"] == pytest.approx(1)
        assert metrics.stats["AP75"] == pytest.approx(1)
        assert metrics.stats["APl"] == pytest.approx(0.7)
        assert metrics.stats["APs"] == -1
        assert metrics.stats["AR1"] == pytest.approx(0.7)

    def test_one_of_two_found(self, backend):
        """Precision 1 at the 51 recalls 0 .. 0.5, 0 at the 50 above."""
        truth = made_up([(1, square(0, 0)), (1, square(300, 200))])
        metrics = evaluate(truth, [result(1, square(0, 0), 0.5)], iou_type="bbox", backend=backend)
        assert metrics.stats["AP50"] == pytest.approx(51 / 101)
        assert metrics.stats["AR100"] == pytest.approx(0.5)

    def test_a_false_one_ranked_first(self, backend):
        results = [result(1, square(300, 200), 0.9), result(1, square(0, 0), 0.5)]
        metrics = evaluate(made_up([(1, square(0, 0))]), results, iou_type="bbox", backend=backend)
        assert metrics.stats["AP"] == pytest.approx(0.5)

    def test_category_ids_with_gaps(self, backend):
        truth = made_up([(90, square(0, 0)), (3, square(200, 200))], categories=((90, "z"), (3, "c"), (17, "none")))
        results = [result(90, square(0, 0), 0.9), result(17, square(200, 200), 0.8)]
        metrics = evaluate(truth, results, iou_type="bbox", backend=backend)
        by_name = {one.name: (one.category_id, one.ap, one.ap50, one.objects) for one in metrics.per_class}
        assert by_name == {"c": (3, 0, 0, 1), "none": (17, -1, -1, 0), "z": (90, pytest.approx(1), pytest.approx(1), 1)}
        assert metrics.stats["AP"] == pytest.approx(0.5)

    def test_a_detection_in_a_crowd_is_neither_right_nor_wrong(self, backend):
        truth = made_up([(1, square(0, 0)), (1, [200, 0, 400, 400])])
        truth["annotations"][1]["iscrowd"] = 1
        results = [result(1, square(300, 100), 0.9), result(1, square(0, 0), 0.5)]
        metrics = evaluate(truth, results, iou_type="bbox", backend=backend)
        assert metrics.stats["AP"] == pytest.approx(1)
        assert metrics.per_class[0].objects == 1

    def test_masks_rank_by_score_times_iou_score(self, backend):
        bitmap = np.zeros((400, 600), bool)
        bitmap[0:100, 0:100] = True
        true_mask, false_mask = encode_bitmap(bitmap), encode_bitmap(~bitmap)
        truth = made_up([(1, square(0, 0))], segmentation=[[0, 0, 100, 0, 100, 100, 0, 100]])
        results = [
            result(1, square(300, 200), 0.9, segmentation=false_mask, iou_score=0.1),
            result(1, square(0, 0), 0.5, segmentation=true_mask, iou_score=0.8),
        ]
        assert evaluate(truth, results, iou_type="segm", backend=backend).stats["AP"] == pytest.approx(1)
        assert evaluate(truth, results, iou_type="bbox", backend=backend).stats["AP"] == pytest.approx(0.5)

    def test_annotation_id_zero_counts_as_any_other(self, backend):
        truth = made_up([(1, square(0, 0))])
        truth["annotations"][0]["id"] = 0
        metrics = evaluate(truth, [result(1, square(0, 0), 0.5)], iou_type="bbox", backend=backend)
        assert metrics.stats["AP"] == pytest.approx(1)

    @pytest.mark.parametrize("iou_type", ["bbox", "segm"])
    def test_no_results(self, backend, iou_type):
        truth = made_up([(1, square(0, 0))], segmentation=[[0, 0, 100, 0, 100, 100, 0, 100]])
        stats = evaluate(truth, [], iou_type=iou_type, backend=backend).stats
        assert {name: value for name, value in stats.items() if value} == dict.fromkeys(
            ("APs", "APm", "ARs", "ARm"), -1
        )

    @pytest.mark.parametrize("iou_type", ["bbox", "segm"])
    def test_no_objects(self, backend, iou_type):
        extra = {"segmentation": encode_bitmap(np.ones((400, 600), bool))}
        metrics = evaluate(made_up([]), [result(1, square(0, 0), 0.5, **extra)], iou_type=iou_type, backend=backend)
        assert set(metrics.stats.values()) == {-1}

    def test_no_images(self, backend):
        stats = evaluate(made_up([(1, square(0, 0))]), [], iou_type="bbox", backend=backend, image_ids=[]).stats
        assert set(stats.values()) == {-1}


def test_the_size_classes_of_masks_go_by_mask_area():
    """A thin mask in a large box is small, so a wrong one must not count among the large ones."""
    stripe, block = np.zeros((400, 600), bool), np.zeros((400, 600), bool)
    np.fill_diagonal(stripe, True)
    block[:150, :150] = True
    truth = made_up([(1, [0, 0, 150, 150])], segmentation=encode_bitmap(block))
    results = [
        result(1, [0, 0, 400, 400], 0.9, segmentation=encode_bitmap(stripe)),
        result(1, [0, 0, 150, 150], 0.5, segmentation=encode_bitmap(block)),
    ]
    stats = assert_backends_agree(truth, results, "segm").stats
    assert stats["APl"] == pytest.approx(1)
    assert stats["AP"] == pytest.approx(0.5)


def test_a_subset_of_images_and_categories(mini_truth):
    results = perfect_results(mini_truth)
    images = [image["id"] for image in mini_truth.images][:40]
    subset = assert_backends_agree(mini_truth, results, "bbox", image_ids=images, category_ids=[1, 3])
    assert [one.category_id for one in subset.per_class] == [1, 3]
    assert subset.images == 40
    expected = [
        one
        for one in mini_truth.annotations
        if one["image_id"] in images and one["category_id"] in (1, 3) and not one["iscrowd"]
    ]
    assert sum(one.objects for one in subset.per_class) == len(expected)
    assert subset.stats["AP"] == pytest.approx(1)
    half = [entry for entry in results if entry["image_id"] in images]
    assert evaluate(mini_truth, half, iou_type="bbox").stats["AP"] < 0.9


def test_results_with_masks_alone_are_good_for_boxes(mini_truth):
    results = [{key: value for key, value in entry.items() if key != "bbox"} for entry in perfect_results(mini_truth)]
    assert evaluate(mini_truth, results, iou_type="bbox").stats["AP50"] > 0.98


@pytest.mark.parametrize("backend", BACKENDS)
def test_source_and_results_stay_as_they_were(oracle, backend):
    truth = load_ground_truth(oracle / "instances_val2014_100.json")
    results = perfect_results(truth)[:50]
    before = copy.deepcopy((truth, results))
    evaluate(truth, results, iou_type="segm", backend=backend)
    assert (truth, results) == before


def test_masks_are_asked_of_the_evaluated_categories_alone():
    truth = made_up([(1, square(0, 0)), (2, square(0, 0))], categories=((1, "thing"), (2, "box only")))
    mask = encode_bitmap(np.ones((400, 600), bool))
    truth["annotations"][0]["segmentation"] = mask
    results = [result(1, square(0, 0), 0.5, segmentation=mask)]
    assert evaluate(truth, results, iou_type="segm", category_ids=[1]).stats["AP"] == pytest.approx(1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_detections_than_are_counted(backend, caplog):
    """The right one has the lowest score of 150 detections."""
    results = [result(1, square(300, 200), 0.9) for _ in range(149)] + [result(1, square(0, 0), 0.1)]
    truth = made_up([(1, square(0, 0))])
    assert evaluate(truth, results, iou_type="bbox", backend=backend).stats["AR100"] == 0
    metrics = evaluate(truth, results, iou_type="bbox", backend=backend, max_detections=150)
    assert metrics.stats["AR150"] == 1
    assert "maxDets=150 ]" in metrics.table
    assert metrics.per_class[0].ap == pytest.approx(1 / 150)
    log_uncounted(results, max_detections=100)
    assert (
        "50 detections are not counted: those beyond the best 100 of a class in an image (image ids 4)" in caplog.text
    )
    caplog.clear()
    log_uncounted(results, max_detections=150)
    assert not caplog.text


class TestBadInput:
    def test_an_unknown_image(self):
        with pytest.raises(InputError, match=r"entry 0: wanted an image_id .*got 5"):
            evaluate(made_up([]), [result(1, square(0, 0), 0.5) | {"image_id": 5}], iou_type="bbox")

    def test_results_without_masks(self):
        truth = made_up([], segmentation=[])
        with pytest.raises(InputError, match="results, entry 0: wanted a segmentation"):
            evaluate(truth, [result(1, square(0, 0), 0.5)], iou_type="segm")

    def test_ground_truth_without_masks(self):
        with pytest.raises(InputError, match="annotations, entry 0: wanted a segmentation"):
            evaluate(made_up([(1, square(0, 0))]), [], iou_type="segm")

    def test_boundary_by_pycocotools(self):
        with pytest.raises(InputError, match="boundary evaluation: wanted the backend faster_coco_eval, got pycocoto"):
            evaluate(made_up([]), [], iou_type="boundary", backend="pycocotools")

    def test_boundary_without_masks(self):
        with pytest.raises(InputError, match="entry 0: wanted a segmentation for boundary evaluation"):
            evaluate(made_up([(1, square(0, 0))]), [], iou_type="boundary")

    def test_a_subset_that_does_not_exist(self):
        with pytest.raises(InputError, match=r"image ids .*\[99\]"):
            evaluate(made_up([]), [], iou_type="bbox", image_ids=[99])

    def test_no_categories(self):
        with pytest.raises(InputError, match="categories: wanted at least one, got none"):
            evaluate(made_up([], categories=()), [], iou_type="bbox")


class TestGroundTruth:
    def test_what_is_left_out_is_filled_in(self):
        polygon = [[0.0, 0.0, 10.0, 0.0, 10.0, 10.0, 0.0, 10.0]]
        truth = made_up([(1, [0, 0, 20, 30]), (1, [0, 0, 20, 30])])
        truth["annotations"][1]["segmentation"] = polygon
        loaded = load_ground_truth(truth)
        assert [one["area"] for one in loaded.annotations] == [600, 100]
        assert [one["iscrowd"] for one in loaded.annotations] == [0, 0]
        assert not loaded.has_masks

    def test_a_crowd_without_a_mask_is_its_box(self):
        loaded = load_ground_truth(made_up([(1, [10, 20, 30, 40])], iscrowd=1))
        assert loaded.has_masks
        assert mask_api.toBbox(loaded.annotations[0]["segmentation"]).tolist() == [10, 20, 30, 40]

    @pytest.mark.parametrize(
        "segmentation",
        [
            [[10, 20, 40, 20, 40, 60, 10, 60]],
            {"size": [400, 600], "counts": [10 * 400 + 20, *[40, 360] * 29, 40, 400 * 560 + 340]},
        ],
        ids=["polygon", "plain counts"],
    )
    def test_every_form_of_mask(self, segmentation):
        (one,) = load_ground_truth(made_up([(1, [10, 20, 30, 40])], segmentation=segmentation)).annotations
        bitmap = mask_api.decode(one["segmentation"])
        assert bitmap.shape == (400, 600)
        assert bitmap[20:60, 10:40].all()
        assert bitmap.sum() == 30 * 40

    @pytest.mark.parametrize("key", ["images", "annotations", "categories"])
    def test_a_missing_list(self, key):
        truth = made_up([])
        del truth[key]
        with pytest.raises(InputError, match=f"list '{key}'"):
            load_ground_truth(truth)

    def test_a_file_that_is_a_list(self, tmp_path):
        path = tmp_path / "a.json"
        path.write_text("[]")
        with pytest.raises(
            InputError, match=r"a\.json: wanted a JSON object with images, annotations, categories, got a list"
        ):
            load_ground_truth(path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"image_id": 5}, "image_id 5 is not among the images"),
            ({"category_id": 9}, "category_id 9 is not among the categories"),
        ],
    )
    def test_an_unlisted_id(self, change, message):
        truth = made_up([(1, square(0, 0))])
        truth["annotations"][0] |= change
        with pytest.raises(InputError, match=f"annotation id 1: {message}"):
            load_ground_truth(truth)

    def test_a_missing_key(self):
        truth = made_up([(1, square(0, 0))])
        del truth["annotations"][0]["bbox"]
        with pytest.raises(InputError, match="annotation id 1: wanted a key 'bbox'"):
            load_ground_truth(truth)
