"""Assignment against detectron2's table, written edge cases and loops."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.ops.matcher import match

# detectron2, tests/modeling/test_matcher.py
MATRIX = np.array([[[0.15, 0.45, 0.2, 0.6], [0.3, 0.65, 0.05, 0.1], [0.05, 0.4, 0.25, 0.4]]], np.float32)
ALL_VALID = np.ones((1, 3), bool)

FG, BG = 0.7, 0.3
CASES = [("keep", 0.0), ("keep", 0.5), ("overwrite", 0.0), ("overwrite", 0.3), ("overwrite", 0.5), ("off", 0.0)]


def match_loop(
    iou: np.ndarray, gt_valid: np.ndarray, low_quality: str, min_iou: float
) -> tuple[np.ndarray, np.ndarray]:
    images, objects, candidates = iou.shape
    matched, state = np.zeros((images, candidates), np.int32), np.zeros((images, candidates), np.int32)
    for image in range(images):
        valid = [g for g in range(objects) if gt_valid[image, g]]
        for n in range(candidates):
            for g in valid:
                if g == valid[0] or iou[image, g, n] > iou[image, matched[image, n], n]:
                    matched[image, n] = g
            best = iou[image, matched[image, n], n] if valid else -1
            state[image, n] = 1 if best >= np.float32(FG) else 0 if best < np.float32(BG) else -1
        for g in valid:
            best = iou[image, g].max()
            if low_quality == "off" or best <= 0 or best < np.float32(min_iou):
                continue
            for n in range(candidates):
                if iou[image, g, n] == best:
                    state[image, n] = 1
                    if low_quality == "overwrite":
                        matched[image, n] = g
    return matched, state


def match_all_ways(iou: Tensor, gt_valid: Tensor) -> tuple[Tensor, ...]:
    """Flat (matched_gt, state) of each of CASES, in a single compilation."""
    results = ()
    for low_quality, min_iou in CASES:
        results += match(
            iou, gt_valid, fg_thresh=FG, bg_thresh=BG, low_quality=low_quality, low_quality_min_iou=min_iou
        )
    return results


@pytest.fixture
def match_case(run):
    """match_case(iou, gt_valid) -> {case: (matched_gt, state)}."""

    def call(iou: np.ndarray, gt_valid: np.ndarray) -> dict[tuple[str, float], tuple[np.ndarray, np.ndarray]]:
        flat = run(match_all_ways, iou, gt_valid)
        assert all(array.dtype == np.int32 for array in flat)
        return {case: (flat[2 * i], flat[2 * i + 1]) for i, case in enumerate(CASES)}

    return call


def test_detectron2_matrix(match_case) -> None:
    results = match_case(MATRIX, ALL_VALID)
    expected = {
        ("keep", 0.0): ([1, 1, 2, 0], [-1, 1, 0, 1]),  # detectron2's expectation
        ("keep", 0.5): ([1, 1, 2, 0], [-1, 1, 0, 1]),  # object 2 is below the minimum IoU
        ("overwrite", 0.0): ([1, 2, 2, 2], [-1, 1, 0, 1]),  # object 2's tie takes boxes 1 and 3 over
        ("overwrite", 0.3): ([1, 2, 2, 2], [-1, 1, 0, 1]),
        ("overwrite", 0.5): ([1, 1, 2, 0], [-1, 1, 0, 1]),
        ("off", 0.0): ([1, 1, 2, 0], [-1, -1, 0, -1]),
    }
    for case, (matched, state) in expected.items():
        np.testing.assert_array_equal(results[case][0], [matched], err_msg=str(case))
        np.testing.assert_array_equal(results[case][1], [state], err_msg=str(case))


def test_invalid_objects_take_no_part(match_case) -> None:
    valid = np.array([[True, False, True]])
    results = match_case(MATRIX, valid)
    np.testing.assert_array_equal(results["keep", 0.0][0], [[0, 0, 2, 0]])
    np.testing.assert_array_equal(results["keep", 0.0][1], [[0, 1, 0, 1]])
    np.testing.assert_array_equal(results["off", 0.0][1], [[0, -1, 0, -1]])


def test_no_valid_object_makes_all_negative(match_case) -> None:
    for matched, state in match_case(MATRIX, np.zeros((1, 3), bool)).values():
        np.testing.assert_array_equal(matched, np.zeros((1, 4)))
        np.testing.assert_array_equal(state, np.zeros((1, 4)))


def test_objects_that_nothing_overlaps_stay_unmatched(match_case) -> None:
    """Every candidate ties at IoU 0; matching an object to all of them would make the whole image positive."""
    iou = MATRIX.copy()
    iou[0, 2] = 0
    for case, (_, state) in match_case(iou, ALL_VALID).items():
        assert (state == 1).sum() == (0 if case[0] == "off" else 2), case


def test_thresholds_are_inclusive_above_and_exclusive_below(match_case) -> None:
    fg, bg = np.float32(FG), np.float32(BG)
    edges = [fg, np.nextafter(fg, np.float32(0)), bg, np.nextafter(bg, np.float32(0))]
    iou = np.array([[edges, [0, 0, 0, 0], [0, 0, 0, 0]]], np.float32)
    _, state = match_case(iou, ALL_VALID)["off", 0.0]
    np.testing.assert_array_equal(state, [[1, -1, -1, 0]])


def test_random_with_ties_against_loops(match_case) -> None:
    rng = np.random.default_rng(0)
    iou = (rng.integers(0, 11, (3, 6, 40)) / 10).astype(np.float32)  # coarse: many ties
    iou[0] *= 0.5  # only low-quality matches
    valid = rng.random((3, 6)) < 0.6
    valid[2] = False
    for case, (matched, state) in match_case(iou, valid).items():
        expected_matched, expected_state = match_loop(iou, valid, *case)
        np.testing.assert_array_equal(matched, expected_matched, err_msg=str(case))
        np.testing.assert_array_equal(state, expected_state, err_msg=str(case))
