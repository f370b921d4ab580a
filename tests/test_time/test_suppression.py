"""Hard and soft suppression against their definition, box by box."""

import math

import numpy as np
import pytest

from mindrcnn.test_time.suppression import Found, Suppression

LIMIT = 1000


def random_boxes(count: int = 60, classes: int = 3, seed: int = 0) -> Found:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate((corners, corners + rng.uniform(10, 40, (count, 2))), axis=1).astype(np.float32)
    scores = np.sort(rng.uniform(0.05, 1, count).astype(np.float32))[::-1].copy()
    return Found(boxes, scores, rng.integers(1, classes + 1, count).astype(np.int32))


def iou(a, b) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return float(width * height / union)


def slow(found: Found, method: str, thresh: float, sigma: float, score_thresh: float, agnostic: bool):
    """Returns (position, score) of the boxes kept, by Algorithm 1 of Bodla et al."""
    left = {i: float(score) for i, score in enumerate(found.scores) if score > score_thresh}
    kept = []
    while left:
        best = max(left, key=lambda i: (left[i], -i))
        kept.append((best, left.pop(best)))
        for i in list(left):
            if not agnostic and found.labels[i] != found.labels[best]:
                continue
            overlap = iou(found.boxes[best], found.boxes[i])
            if method == "gaussian":
                left[i] *= math.exp(-overlap * overlap / sigma)
            elif overlap > thresh:
                left[i] *= 0 if method == "hard" else 1 - overlap
            if left[i] <= score_thresh:
                del left[i]
    return sorted(kept, key=lambda one: (-one[1], one[0]))


@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("method", ["hard", "linear", "gaussian"])
def test_it_is_the_definition(method, agnostic):
    found = random_boxes()
    suppress = Suppression(
        method=method, iou_thresh=0.3, sigma=0.4, class_agnostic=agnostic, score_thresh=0.1, limit=LIMIT
    )
    result = suppress(found)
    wanted = slow(found, method, 0.3, 0.4, 0.1, agnostic)
    assert 5 < len(wanted) < 60
    np.testing.assert_array_equal(result.boxes, found.boxes[[i for i, _ in wanted]])
    np.testing.assert_array_equal(result.labels, found.labels[[i for i, _ in wanted]])
    np.testing.assert_allclose(result.scores, [score for _, score in wanted], rtol=1e-5)


def test_soft_suppression_ranks_by_the_lowered_scores_and_then_takes_the_best():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]], np.float32)
    found = Found(boxes, np.array([0.9, 0.8, 0.3], np.float32), np.array([1, 1, 1], np.int32))
    settings = {"method": "linear", "iou_thresh": 0.5, "score_thresh": 0.05}
    whole = Suppression(limit=LIMIT, **settings)(found)
    np.testing.assert_allclose(whole.scores, [0.9, 0.3, 0.8 * 0.2], rtol=1e-5)  # IoU 0.8
    best = Suppression(limit=2, **settings)(found)
    np.testing.assert_array_equal(best.boxes, boxes[[0, 2]])


def test_boxes_that_are_not_finite_or_below_the_threshold_are_dropped():
    boxes = np.array([[0, 0, np.nan, 10], [0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    found = Found(boxes, np.array([0.9, 0.5, 0.0], np.float32), np.array([1, 1, 1], np.int32))
    result = Suppression(iou_thresh=0.5, score_thresh=0.0, limit=LIMIT)(found)
    np.testing.assert_array_equal(result.boxes, boxes[1:2])


def test_nothing_gives_nothing():
    none = Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    for agnostic in (False, True):
        result = Suppression(iou_thresh=0.5, score_thresh=0.1, limit=3, class_agnostic=agnostic)(none)
        assert [column.shape for column in result] == [(0, 4), (0,), (0,)]
        assert [column.dtype for column in result] == [np.float32, np.float32, np.int32]
