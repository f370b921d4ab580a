"""Box geometry against loops over single pairs."""

import numpy as np
from mindspore import Tensor

from mindrcnn.ops import boxes as box_ops


def random_boxes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    low = rng.uniform(0, 80, (*shape, 2))
    return np.concatenate([low, low + rng.uniform(0, 50, (*shape, 2))], -1).astype(np.float32)


def one_area(box: np.ndarray) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def one_intersection(a: np.ndarray, b: np.ndarray) -> float:
    return one_area(np.array([max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])]))


def one_iou(a: np.ndarray, b: np.ndarray) -> float:
    inter = one_intersection(a, b)
    union = one_area(a) + one_area(b) - inter
    return inter / union if union > 0 else 0.0


def one_ioa(region: np.ndarray, box: np.ndarray) -> float:
    return one_intersection(region, box) / one_area(box) if one_area(box) > 0 else 0.0


# corners, area, both sides larger than 2
SINGLE = [
    ((0, 0, 10, 5), 50.0, True),
    ((1.5, 2.5, 4, 4.75), 5.625, True),
    ((0, 0, 2, 10), 20.0, False),  # exactly 2 is not larger
    ((0, 0, 10, 2), 20.0, False),
    ((3, 3, 3, 9), 0.0, False),  # no width
    ((5, 5, 2, 9), 0.0, False),  # swapped
    ((0, 0, 0, 0), 0.0, False),
]

# IoU of pairs, exact in float32
PAIRS = [
    ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
    ((0, 0, 10, 10), (0, 0, 10, 5), 0.5),
    ((0, 0, 10, 10), (5, 0, 15, 10), 50 / 150),
    ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),  # touching: a "+1" would give more than 0
    ((0, 0, 10, 10), (20, 20, 30, 30), 0.0),
    ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
    ((5, 5, 5, 5), (0, 0, 10, 10), 0.0),
    ((1000.25, 700.5, 1001.25, 701.5), (1000.25, 700.5, 1001.25, 701.5), 1.0),
    ((8, 8, 2, 2), (0, 0, 10, 10), 0.0),  # swapped corners
]


def single_box_results(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return box_ops.area(boxes), box_ops.valid_size(boxes, 2.0)


def test_area_and_valid_size(run) -> None:
    boxes = np.array([row[0] for row in SINGLE], np.float32)
    area, valid = run(single_box_results, boxes)
    np.testing.assert_array_equal(area, np.array([row[1] for row in SINGLE], np.float32))
    np.testing.assert_array_equal(valid, [row[2] for row in SINGLE])
    assert valid.dtype == bool


def test_clip_to_each_image(run) -> None:
    boxes = np.array([[[-5, -6, 200, 300], [10, 20, 30, 40]], [[60, 70, 61, 71], [0, 0, 50, 40]]], np.float32)
    sizes = np.array([[100, 150], [40, 50]], np.int32)  # h, w
    expected = [[[0, 0, 150, 100], [10, 20, 30, 40]], [[50, 40, 50, 40], [0, 0, 50, 40]]]
    np.testing.assert_array_equal(run(box_ops.clip, boxes, sizes), np.array(expected, np.float32))


def pairwise_results(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return (
        box_ops.pairwise_iou_batched(a, b),
        box_ops.pairwise_ioa_batched(a, b),
        box_ops.pairwise_iou(a[1], b[1]),
    )


def test_pairwise_against_single_pairs(run) -> None:
    rng = np.random.default_rng(0)
    a, b = random_boxes(rng, 2, 5), random_boxes(rng, 2, 7)
    a[0, 0], b[0, 0] = (5, 5, 5, 20), (9, 9, 9, 9)  # without area
    b[1, 3] = a[1, 2]
    iou, ioa, second = run(pairwise_results, a, b)
    for image in range(2):
        for i, box in enumerate(a[image].astype(np.float64)):
            for j, other in enumerate(b[image].astype(np.float64)):
                np.testing.assert_allclose(iou[image, i, j], one_iou(box, other), atol=1e-6)
                np.testing.assert_allclose(ioa[image, i, j], one_ioa(box, other), atol=1e-6)
    np.testing.assert_array_equal(second, iou[1])
    assert iou[1, 2, 3] == 1.0
    assert (iou > 0.1).sum() >= 5  # the boxes do overlap


def test_pairwise_iou_table(run) -> None:
    a, b = (np.array([row[i] for row in PAIRS], np.float32) for i in (0, 1))
    iou = run(box_ops.pairwise_iou, a, b)
    assert np.isfinite(iou).all()
    np.testing.assert_allclose(np.diag(iou), [row[2] for row in PAIRS], rtol=1e-7)
    np.testing.assert_array_equal(run(box_ops.pairwise_iou, b, a), iou.T)


def test_boxes_without_area_have_no_overlap_with_themselves(run) -> None:
    empty = np.zeros((2, 3, 4), np.float32)
    iou, ioa, _ = run(pairwise_results, empty, empty)
    np.testing.assert_array_equal(iou, np.zeros((2, 3, 3)))
    np.testing.assert_array_equal(ioa, np.zeros((2, 3, 3)))
