"""Weighted box fusion on cases computed by hand."""

import numpy as np
import pytest

from mindrcnn.test_time.fusion import WeightedBoxFusion
from mindrcnn.test_time.suppression import Found


def found(*rows: tuple[list[float], float, int]) -> Found:
    boxes, scores, labels = zip(*rows, strict=True) if rows else ((), (), ())
    return Found(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(labels, np.int32))


def fuse(*views: Found, score_thresh: float = 0.0, limit: int = 10) -> Found:
    return WeightedBoxFusion(iou_thresh=0.5, score_thresh=score_thresh, limit=limit)(list(views))


def test_boxes_of_one_object_are_averaged_by_score():
    result = fuse(found(([0, 0, 10, 10], 0.9, 1)), found(([2, 0, 12, 10], 0.3, 1)))
    np.testing.assert_allclose(result.boxes, [[0.5, 0, 10.5, 10]], rtol=1e-6)
    np.testing.assert_allclose(result.scores, [0.6], rtol=1e-6)


def test_what_one_of_three_views_sees_ranks_low():
    result = fuse(found(([0, 0, 10, 10], 0.9, 1)), found(), found())
    np.testing.assert_allclose(result.scores, [0.3], rtol=1e-6)
    assert len(fuse(found(([0, 0, 10, 10], 0.9, 1)), found(), found(), score_thresh=0.3001).scores) == 0


def test_a_view_that_sees_an_object_twice_does_not_raise_its_score():
    twice = found(([0, 0, 10, 10], 0.9, 1), ([0, 0, 10, 9], 0.5, 1))
    np.testing.assert_allclose(fuse(twice).scores, [0.7], rtol=1e-6)


def test_classes_and_places_stay_apart_and_the_best_come_first():
    result = fuse(found(([0, 0, 10, 10], 0.4, 1), ([0, 0, 10, 10], 0.8, 2), ([50, 0, 60, 10], 0.6, 1)))
    assert result.labels.tolist() == [2, 1, 1]
    np.testing.assert_allclose(result.scores, [0.8, 0.6, 0.4], rtol=1e-6)
    assert len(fuse(found(([0, 0, 10, 10], 0.4, 1), ([0, 0, 10, 10], 0.8, 2)), limit=1).scores) == 1


def test_a_box_joins_the_fused_box_that_it_overlaps_most():
    first, second = ([0, 0, 10, 10], 0.9, 1), ([5, 0, 15, 10], 0.8, 1)  # IoU 1/3 apart
    result = fuse(found(first, second), found(([4.5, 0, 14.5, 10], 0.4, 1)))
    np.testing.assert_allclose(result.boxes[:, 0], [(5 * 0.8 + 4.5 * 0.4) / (0.8 + 0.4), 0], rtol=1e-6)


def test_nothing_gives_nothing():
    result = fuse(found(), found())
    assert result.boxes.shape == (0, 4)
    assert result.labels.dtype == np.int32


def test_agrees_with_ensemble_boxes():
    reference = pytest.importorskip("ensemble_boxes")
    rng = np.random.default_rng(0)
    views = []
    for _ in range(4):
        corners = rng.uniform(0, 0.6, (30, 2))
        boxes = np.concatenate((corners, corners + rng.uniform(0.1, 0.4, (30, 2))), axis=1).astype(np.float32)
        views.append(Found(boxes, rng.uniform(0.1, 1, 30).astype(np.float32), rng.integers(1, 3, 30).astype(np.int32)))
    boxes, scores, labels = reference.weighted_boxes_fusion(
        [one.boxes for one in views], [one.scores for one in views], [one.labels for one in views],
        iou_thr=0.5, skip_box_thr=0,
    )  # fmt: skip
    result = fuse(*views, limit=1000)
    order = np.argsort(-scores, kind="stable")
    np.testing.assert_allclose(result.scores, scores[order], rtol=1e-5)
    np.testing.assert_allclose(result.boxes, boxes[order], atol=1e-5)
    np.testing.assert_array_equal(result.labels, labels[order])
