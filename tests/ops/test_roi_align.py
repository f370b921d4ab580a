"""Region pooling against written values, loops over samples, and differences."""

import math

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.ops.roi_align import ADAPTIVE, roi_align
from mindrcnn.ops.roi_levels import fpn_level

pytestmark = pytest.mark.usefixtures("implementation")

STRIDES = (4, 8, 16, 32)
RESOLUTION = 3
RATIO = 2


def bilinear(feature: np.ndarray, y: float, x: float) -> np.ndarray:
    """Value (C,) of a feature (C, H, W); the border value extends by up to a cell, 0 from one cell outside."""
    height, width = feature.shape[1:]
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(feature))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    ly, lx = y - top, x - left
    upper = (1 - lx) * feature[:, top, left] + lx * feature[:, top, right]
    lower = (1 - lx) * feature[:, bottom, left] + lx * feature[:, bottom, right]
    return (1 - ly) * upper + ly * lower


def pool_loop(feature: np.ndarray, box: np.ndarray, stride: float, aligned: bool, ratio: int) -> np.ndarray:
    # in float32, as all implementations do: it decides which side of a whole number a bin of 5 cells lies
    x1, y1, x2, y2 = box / np.float32(stride) - np.float32(0.5 if aligned else 0)
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = max(width, 1), max(height, 1)
    down, across = (ratio or math.ceil(side / RESOLUTION) for side in (height, width))
    result = np.zeros((len(feature), RESOLUTION, RESOLUTION))
    for row in range(RESOLUTION):
        for column in range(RESOLUTION):
            for i in range(down):
                for j in range(across):
                    y = y1 + (row + (i + 0.5) / down) * height / RESOLUTION
                    x = x1 + (column + (j + 0.5) / across) * width / RESOLUTION
                    result[:, row, column] += bilinear(feature, y, x) / (down * across)
    return result


def level_of(box: np.ndarray) -> int:
    side = np.sqrt(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))
    return 0 if side < 112 else 1 if side < 224 else 2 if side < 448 else 3


def roi_align_loop(
    features: list[np.ndarray], boxes: np.ndarray, valid: np.ndarray, aligned: bool, ratio: int
) -> np.ndarray:
    result = np.zeros((*valid.shape, features[0].shape[1], RESOLUTION, RESOLUTION))
    for image, number in np.argwhere(valid):
        level = level_of(boxes[image, number])
        feature = features[level][image]
        result[image, number] = pool_loop(feature, boxes[image, number], STRIDES[level], aligned, ratio)
    return result.reshape(-1, *result.shape[2:])


def pool(
    aligned: bool, ratio: int, p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor
) -> Tensor:
    return roi_align(
        (p2, p3, p4, p5), STRIDES, boxes, valid, resolution=RESOLUTION, sampling_ratio=ratio, aligned=aligned
    )


def pool_aligned(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return pool(True, RATIO, p2, p3, p4, p5, boxes, valid)


def pool_legacy(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return pool(False, RATIO, p2, p3, p4, p5, boxes, valid)


def pool_adaptive(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return pool(True, ADAPTIVE, p2, p3, p4, p5, boxes, valid)


def pool_adaptive_legacy(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return pool(False, ADAPTIVE, p2, p3, p4, p5, boxes, valid)


FORMS = [
    (pool_aligned, True, RATIO),
    (pool_legacy, False, RATIO),
    (pool_adaptive, True, 0),
    (pool_adaptive_legacy, False, 0),
]


@pytest.fixture(scope="module")
def pyramid() -> list[np.ndarray]:
    """Two images of 480 x 640 with 3 channels."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal((2, 3, 480 // s, 640 // s)).astype(np.float32) for s in STRIDES]


def boxes_of_all_kinds() -> np.ndarray:
    """(2, 9, 4) boxes on every level, in both images."""
    kinds = [
        (10, 20, 60, 50),  # P2
        (100, 100, 230, 220),  # P3
        (30, 40, 350, 300),  # P4
        (0, 0, 640, 480),  # P5
        (601.5, 440.25, 640, 480),  # at the corner
        (-40, -30, 20, 12),  # partly outside
        (700, 500, 800, 600),  # outside altogether
        (33.3, 44.4, 34.4, 46.6),  # smaller than a cell
        (2, 7, 3, 9),  # 0 and 1 after the aligned shift of P2, where MindSpore's operator skips a box
    ]
    first = np.array(kinds, np.float32)
    return np.stack([first, np.roll(first, 4, axis=0) + np.float32(1.37)])


@pytest.mark.parametrize(("function", "aligned", "ratio"), FORMS)
def test_boxes_of_all_kinds_against_loops(run, pyramid, function, aligned, ratio) -> None:
    boxes = boxes_of_all_kinds()
    valid = np.ones(boxes.shape[:2], bool)
    valid[0, 2] = valid[1, 0] = False
    expected = roi_align_loop(pyramid, boxes, valid, aligned, ratio)
    boxes[1, 0] = np.nan  # invalid: whatever is there must not matter
    pooled = run(function, *pyramid, boxes, valid)
    assert pooled.shape == (18, 3, RESOLUTION, RESOLUTION)
    np.testing.assert_allclose(pooled, expected, atol=2e-5)
    assert (pooled[[2, 9]] == 0).all()


@pytest.mark.parametrize(("function", "aligned", "ratio"), FORMS)
def test_boxes_without_area(run, pyramid, function, aligned, ratio) -> None:
    boxes = np.zeros((2, 9, 4), np.float32)
    boxes[0, 1:4] = (50, 60, 50, 60), (50, 60, 50, 90), (0, 0, 100, 0)
    boxes[1] = 33
    valid = np.ones((2, 9), bool)
    expected = roi_align_loop(pyramid, boxes, valid, aligned, ratio)
    np.testing.assert_allclose(run(function, *pyramid, boxes, valid), expected, atol=1e-5)


def ramp(aligned: bool, image: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return roi_align((image,) * 4, (1, 1, 1, 1), boxes, valid, resolution=4, sampling_ratio=1, aligned=aligned)


def both_ramps(image: Tensor, boxes: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    return ramp(True, image, boxes, valid), ramp(False, image, boxes, valid)


def test_ramp_of_detectron2(run) -> None:
    """The box (1, 1)..(3, 3) of a 5 x 5 ramp: detectron2, tests/layers/test_roi_align.py."""
    image = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    boxes, valid = np.array([[[1, 1, 3, 3]]], np.float32), np.ones((1, 1), bool)
    aligned, legacy = run(both_ramps, image, boxes, valid)
    np.testing.assert_allclose(
        aligned[0, 0], [[4.5, 5, 5.5, 6], [7, 7.5, 8, 8.5], [9.5, 10, 10.5, 11], [12, 12.5, 13, 13.5]], atol=1e-5
    )
    np.testing.assert_allclose(
        legacy[0, 0], [[7.5, 8, 8.5, 9], [10, 10.5, 11, 11.5], [12.5, 13, 13.5, 14], [15, 15.5, 16, 16.5]], atol=1e-5
    )


@pytest.mark.parametrize(("function", "aligned", "ratio"), FORMS)
def test_gradient_against_differences(gradients, pyramid, function, aligned, ratio) -> None:
    boxes = boxes_of_all_kinds()
    valid = np.ones(boxes.shape[:2], bool)
    valid[0, 1] = False
    sens = np.random.default_rng(2).standard_normal((18, 3, RESOLUTION, RESOLUTION)).astype(np.float32)
    results = gradients(function, sens, *pyramid, boxes, valid)
    levels = np.array([[level_of(box) for box in image] for image in boxes])
    for level, result in enumerate(results[:4]):
        on_level = valid & (levels == level)  # the others do not read this level
        base = roi_align_loop(pyramid, boxes, on_level, aligned, ratio)
        touched = np.argwhere(result != 0)
        assert len(touched) > 9
        for cell in [tuple(touched[place]) for place in (0, 1, len(touched) // 2, -2, -1)] + [(1, 2, 0, 0)]:
            changed = [feature.astype(np.float64) for feature in pyramid]
            changed[level][cell] += 1  # the op is linear in the features, so a step of 1 is exact
            change = roi_align_loop(changed, boxes, on_level, aligned, ratio) - base
            np.testing.assert_allclose(result[cell], (change * sens).sum(), atol=1e-4)
    assert (results[4] == 0).all()  # none to the boxes


def test_gradient_of_invalid_boxes_is_zero_and_repeats(gradients, pyramid) -> None:
    boxes = boxes_of_all_kinds()
    boxes[1] = np.nan
    valid = np.zeros(boxes.shape[:2], bool)
    valid[0, :4] = True
    sens = np.random.default_rng(3).standard_normal((18, 3, RESOLUTION, RESOLUTION)).astype(np.float32)
    first, second = (gradients(pool_aligned, sens, *pyramid, boxes, valid) for _ in range(2))
    for level in range(4):
        assert (first[level][1] == 0).all()
        assert np.abs(first[level][0]).sum() > 0
        np.testing.assert_array_equal(first[level], second[level])


LEVELS = [
    ((0, 0, 0, 0), 0),
    ((0, 0, 111.9, 112), 0),
    ((0, 0, 112, 112), 1),
    ((10, 10, 66, 234), 1),  # 56 x 224: the area counts
    ((0, 0, 223.9, 224), 1),
    ((0, 0, 224, 224), 2),
    ((0, 0, 447.9, 448), 2),
    ((0, 0, 448, 448), 3),
    ((0, 0, 4000, 4000), 3),
    ((9, 9, 3, 3), 0),
]


def test_level_edges(run) -> None:
    level = run(fpn_level, np.array([[row[0] for row in LEVELS]], np.float32))
    np.testing.assert_array_equal(level, [[row[1] for row in LEVELS]])
    assert level.dtype == np.int32


def test_levels_are_detectron2s_formula(run) -> None:
    side = np.exp(np.random.default_rng(0).uniform(np.log(2), np.log(2000), (1, 500))).astype(np.float32)
    zero = np.zeros_like(side)
    expected = np.clip(np.floor(4 + np.log2(side.astype(np.float64) / 224 + 1e-8)), 2, 5) - 2
    np.testing.assert_array_equal(run(fpn_level, np.stack([zero, zero, side, side], -1)), expected)
