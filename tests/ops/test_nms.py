"""Suppression against a loop over single boxes."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.ops.nms import nms, nms_per_class

pytestmark = pytest.mark.usefixtures("implementation")

THRESH = 0.5


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union if union > 0 else 0.0


def nms_loop(boxes: np.ndarray, valid: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    keep = np.zeros(len(boxes), bool)
    exact = boxes.astype(np.float64)
    for i in range(len(boxes)):
        rivals = [j for j in range(i) if keep[j] and (labels is None or labels[i] == labels[j])]
        keep[i] = valid[i] and all(iou(exact[i], exact[j]) <= THRESH for j in rivals)
    return keep


def descending(rows: int, length: int) -> np.ndarray:
    return np.tile(np.linspace(0.9, 0.1, length, dtype=np.float32), (rows, 1))


def suppress(boxes: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
    return nms(boxes, scores, valid, THRESH)


def suppress_per_class(boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    return nms_per_class(boxes, scores, labels, valid, THRESH)


def clustered_boxes(rng: np.random.Generator, rows: int, length: int, size: float) -> np.ndarray:
    """Boxes in a few places, so that many overlap."""
    places = rng.uniform(0.1 * size, 0.9 * size, (8, 2))
    centre = rng.choice(places, (rows, length)) + rng.normal(0, 0.015 * size, (rows, length, 2))
    half = rng.uniform(0.03, 0.06, (rows, length, 2)) * size
    return np.concatenate([centre - half, centre + half], -1).astype(np.float32)


def test_table(run) -> None:
    boxes = np.array(
        [
            [[0, 0, 10, 10], [0, 0, 10, 6], [0, 0, 10, 5], [0, 4, 10, 10], [20, 20, 30, 30]],  # IoU .6, .5, .6
            [[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10], [5, 5, 5, 5], [5, 5, 5, 5]],  # equal, then points
        ],
        np.float32,
    )
    keep = run(suppress, boxes, descending(2, 5), np.ones((2, 5), bool))
    # an IoU of exactly the threshold stays
    np.testing.assert_array_equal(keep, [[True, False, True, False, True], [True, False, False, True, True]])


def test_invalid_boxes_neither_stay_nor_suppress(run) -> None:
    one = np.array([0, 0, 10, 10], np.float32)
    boxes = np.stack([np.stack([one] * 4)] * 3)
    boxes[1, 0] = (np.nan, np.inf, -np.inf, 0)
    valid = np.array([[False, False, True, True], [False, True, False, True], [False] * 4])
    keep = run(suppress, boxes, descending(3, 4), valid)
    np.testing.assert_array_equal(keep, [[False, False, True, False], [False, True, False, False], [False] * 4])


def test_scores_that_are_not_finite_make_a_box_invalid(run) -> None:
    boxes = np.tile(np.array([0, 0, 10, 10], np.float32), (1, 4, 1))
    scores = np.array([[np.nan, np.inf, 0.5, -np.inf]], np.float32)
    np.testing.assert_array_equal(run(suppress, boxes, scores, np.ones((1, 4), bool)), [[False, False, True, False]])


def test_random_rows_with_tied_scores(run) -> None:
    rng = np.random.default_rng(0)
    boxes, valid = clustered_boxes(rng, 3, 100, 200), rng.random((3, 100)) < 0.8
    scores = np.floor(descending(3, 100) * 5) / 5  # ties: the earlier box wins
    expected = np.stack([nms_loop(*row) for row in zip(boxes, valid, strict=True)])
    assert 10 < expected.sum() < 200
    np.testing.assert_array_equal(run(suppress, boxes, scores, valid), expected)


def test_per_class_against_loop(run) -> None:
    """80 classes in a large image: the boxes of each class must still meet at the right IoU."""
    rng = np.random.default_rng(1)
    boxes, valid = clustered_boxes(rng, 2, 200, 1344), rng.random((2, 200)) < 0.9
    labels = rng.choice(np.array([0, 1, 40, 79, 80], np.int32), (2, 200))
    boxes[:, :60] -= 200  # some outside the image
    expected = np.stack([nms_loop(*row) for row in zip(boxes, valid, labels, strict=True)])
    alone = np.stack([nms_loop(*row) for row in zip(boxes, valid, strict=True)])
    assert expected.sum() > alone.sum()
    np.testing.assert_array_equal(run(suppress_per_class, boxes, descending(2, 200), labels, valid), expected)


def test_per_class_separates_equal_boxes_of_all_labels(run) -> None:
    labels = np.concatenate([np.arange(81), np.arange(81)])[None].astype(np.int32)
    boxes = np.tile(np.array([3, 4, 1300, 790], np.float32), (1, 162, 1))
    keep = run(suppress_per_class, boxes, descending(1, 162), labels, np.ones((1, 162), bool))
    np.testing.assert_array_equal(keep[0], np.arange(162) < 81)


def test_per_class_resolves_small_differences(run) -> None:
    """The last class of 80 in a 1344 pixel image. On one line of 80 images float32 would move edges by 1/256 pixel."""
    rows = []
    for overlap in (10.003, 9.997):  # of two boxes 15 wide: IoU just over and under 1/2
        rows.append([[1300, 700, 1315, 715], [1315 - overlap, 700, 1330 - overlap, 715], [0, 0, 1344, 800]])
    boxes = np.array(rows, np.float32)
    labels = np.array([[80, 80, 0]] * 2, np.int32)
    keep = run(suppress_per_class, boxes, descending(2, 3), labels, np.ones((2, 3), bool))
    np.testing.assert_array_equal(keep, [[True, False, True], [True, True, True]])


def test_per_class_with_boxes_outside_the_image(run) -> None:
    """Cells as wide as the largest coordinate would move the second box onto the first."""
    boxes = np.array([[[1145, 0, 1245, 50], [-200, 0, -100, 50], [1244, 0, 1344, 50]]], np.float32)
    labels = np.array([[0, 1, 0]], np.int32)
    keep = run(suppress_per_class, boxes, descending(1, 3), labels, np.ones((1, 3), bool))
    np.testing.assert_array_equal(keep, [[True, True, True]])


def test_per_class_without_valid_boxes(run) -> None:
    boxes = np.full((1, 3, 4), np.nan, np.float32)
    keep = run(suppress_per_class, boxes, descending(1, 3), np.full((1, 3), -7, np.int32), np.zeros((1, 3), bool))
    np.testing.assert_array_equal(keep, np.zeros((1, 3), bool))
