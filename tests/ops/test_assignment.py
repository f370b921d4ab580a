"""Assignment of boxes against loops: IoU, matching and crowds in one."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.ops.assignment import CROWD_OVERLAP, assign

pytestmark = pytest.mark.usefixtures("implementation")

FG, BG = 0.6, 0.35
CASES = [("keep", 0.0), ("overwrite", 0.3), ("off", 0.0)]
Arrays = dict[str, np.ndarray]


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[np.float32, np.float32]:
    """IoU of two boxes, and the share of b that lies inside a; float32 throughout, so that ties stay ties."""
    tiny, zero = np.float32(1e-12), np.float32(0)
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    inter = max(width, zero) * max(height, zero)
    area_a, area_b = (max(box[2] - box[0], zero) * max(box[3] - box[1], zero) for box in (a, b))
    return inter / ((area_a + tiny) + area_b - inter), inter / (area_b + tiny)


def assign_loop(boxes: np.ndarray, gt: Arrays, low_quality: str, min_iou: float) -> tuple[np.ndarray, np.ndarray]:
    """Assignment of one image; boxes (N, 4)."""
    objects, crowds = np.flatnonzero(gt["gt_valid"]), np.flatnonzero(gt["gt_crowd"])
    iou = np.array([[overlap(gt["gt_boxes"][g], box)[0] for box in boxes] for g in objects]).reshape(-1, len(boxes))
    matched, state = np.zeros(len(boxes), np.int32), np.zeros(len(boxes), np.int32)
    if len(objects):
        matched = objects[iou.argmax(axis=0)].astype(np.int32)
        best = iou.max(axis=0)
        state = np.where(best >= np.float32(FG), 1, np.where(best < np.float32(BG), 0, -1)).astype(np.int32)
    for row, g in enumerate(objects):
        if low_quality != "off" and iou[row].max() > 0 and iou[row].max() >= np.float32(min_iou):
            at_best = iou[row] == iou[row].max()
            state[at_best] = 1
            if low_quality == "overwrite":
                matched[at_best] = g
    for n, box in enumerate(boxes):
        if state[n] == 0 and any(overlap(gt["gt_boxes"][g], box)[1] >= CROWD_OVERLAP for g in crowds):
            state[n] = -1
    return matched, state


def assign_all_ways(boxes: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor) -> tuple[Tensor, ...]:
    """Flat (matched_gt, state) of each of CASES, in a single compilation."""
    results = ()
    for low_quality, min_iou in CASES:
        results += assign(
            boxes,
            gt_boxes,
            gt_valid,
            gt_crowd,
            fg_thresh=FG,
            bg_thresh=BG,
            low_quality=low_quality,
            low_quality_min_iou=min_iou,
        )
    return results


def check(run, boxes: np.ndarray, gt: Arrays) -> list[np.ndarray]:
    """Compares with the loop; returns the states of CASES."""
    flat = run(assign_all_ways, boxes, *gt.values())
    for index, case in enumerate(CASES):
        matched, state = flat[2 * index : 2 * index + 2]
        assert matched.dtype == state.dtype == np.int32
        for image in range(len(matched)):
            of_image = {name: array[image] for name, array in gt.items()}
            expected = assign_loop(boxes if boxes.ndim == 2 else boxes[image], of_image, *case)
            np.testing.assert_array_equal(matched[image], expected[0], err_msg=f"{case} {image}")
            np.testing.assert_array_equal(state[image], expected[1], err_msg=f"{case} {image}")
    return list(flat[1::2])


def grid_boxes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Boxes with whole corners in a small area: many overlaps, many ties."""
    corner, side = rng.integers(0, 24, (*shape, 2)), rng.integers(2, 14, (*shape, 2))
    return np.concatenate([corner, corner + side], -1).astype(np.float32)


@pytest.fixture
def gt() -> Arrays:
    """Three images: objects and crowds, crowds only, nothing."""
    rng = np.random.default_rng(1)
    valid, crowd = rng.random((3, 9)) < 0.5, rng.random((3, 9)) < 0.4
    valid[1:] = crowd[2] = False
    return {"gt_boxes": grid_boxes(rng, 3, 9), "gt_valid": valid, "gt_crowd": crowd & ~valid}


@pytest.mark.parametrize("shape", [(600,), (3, 600)], ids=["shared", "of each image"])
def test_random_boxes_with_ties(run, gt: Arrays, shape: tuple[int, ...]) -> None:
    states = check(run, grid_boxes(np.random.default_rng(2), *shape), gt)
    assert all(set(np.unique(state)) == {-1, 0, 1} for state in states)
    assert (states[1] != states[2]).any()


def test_boxes_without_area(run, gt: Arrays) -> None:
    boxes = grid_boxes(np.random.default_rng(3), 40)
    boxes[::3, 2:] = boxes[::3, :2]  # points
    boxes[1::3] = boxes[1::3][:, [2, 3, 0, 1]]  # swapped corners
    gt["gt_boxes"][0, ::2, 2:] = gt["gt_boxes"][0, ::2, :2]
    check(run, boxes, gt)


def test_objects_that_nothing_overlaps_stay_unmatched(run, gt: Arrays) -> None:
    for state in check(run, grid_boxes(np.random.default_rng(4), 30) + np.float32(1000), gt):
        np.testing.assert_array_equal(state, 0)


def test_thresholds_are_inclusive_above_and_exclusive_below(run) -> None:
    box = np.array([0, 0, 20, 1], np.float32)
    widths = np.array([12, 11.99, 7, 6.99, 10, 9.99], np.float32)  # IoU 0.6, just below, 0.35, ...; 10: half in a crowd
    boxes = np.tile(box, (6, 1))
    boxes[:4, 2] = widths[:4]
    boxes[4:] = [(40, 0, 60, 1), (40, 0, 60, 1)]
    gt = {
        "gt_boxes": np.array([[box, [50, 0, 70, 1]], [box, [50.01, 0, 70, 1]]], np.float32),
        "gt_valid": np.array([[True, False]] * 2),
        "gt_crowd": np.array([[False, True]] * 2),
    }
    states = check(run, boxes, gt)
    np.testing.assert_array_equal(states[2], [[1, -1, -1, 0, -1, -1], [1, -1, -1, 0, 0, 0]])
