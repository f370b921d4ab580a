"""Crowd regions against a loop over boxes and regions."""

import numpy as np
from mindspore import Tensor

from mindrcnn.ops.assignment import CROWD_OVERLAP, ignore_crowds


def reference_share(box: np.ndarray, region: np.ndarray) -> float:
    width = min(box[2], region[2]) - max(box[0], region[0])
    height = min(box[3], region[3]) - max(box[1], region[1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(width, 0) * max(height, 0) / area if area > 0 else 0.0


def reference(state: np.ndarray, boxes: np.ndarray, gt_boxes: np.ndarray, gt_crowd: np.ndarray) -> np.ndarray:
    wanted = state.copy()
    for image, index in np.ndindex(*state.shape):
        crowds = gt_boxes[image][gt_crowd[image]]
        inside = any(reference_share(boxes[image, index], crowd) >= CROWD_OVERLAP for crowd in crowds)
        if inside and state[image, index] == 0:
            wanted[image, index] = -1
    return wanted


def apply(*arrays: np.ndarray) -> np.ndarray:
    return ignore_crowds(*(Tensor(array) for array in arrays)).asnumpy()


def test_equals_a_loop(mode: str) -> None:
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 30, (2, 60, 2)), rng.integers(1, 20, (2, 60, 2))
    boxes = np.concatenate((corners[0], corners[0] + corners[1]), axis=2).astype(np.float32)
    state = rng.integers(-1, 2, (2, 60)).astype(np.int32)
    gt_boxes = boxes[:, [3, 8, 11]] + np.float32([-4, -4, 4, 4])
    gt_crowd = np.array([[True, False, True], [False, False, False]])
    result = apply(state, boxes, gt_boxes, gt_crowd)
    np.testing.assert_array_equal(result, reference(state, boxes, gt_boxes, gt_crowd))
    assert (result[0] != state[0]).sum() >= 3
    np.testing.assert_array_equal(result[1], state[1])  # only crowds make negatives ignored


def test_half_inside_is_enough_and_no_area_is_never_inside() -> None:
    crowd = np.float32([[[10, 10, 30, 30]]])
    boxes = np.float32([[[0, 10, 20, 20], [0, 10, 19, 20], [15, 15, 15, 15], [12, 12, 14, 14]]])
    state = np.zeros((1, 4), np.int32)
    assert apply(state, boxes, crowd, np.array([[True]])).tolist() == [[-1, 0, 0, -1]]


def test_positives_stay() -> None:
    box = np.float32([[[10, 10, 30, 30]]])
    assert apply(np.array([[1]], np.int32), box, box, np.array([[True]])).tolist() == [[1]]
