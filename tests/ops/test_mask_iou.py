"""IoU with whole objects against loops, and against masks drawn into a full image."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.ops.mask_iou import iou_with_whole, share_inside

STORED = 4
SIDE = 8


def overlap(low: float, high: float, other_low: float, other_high: float) -> float:
    return max(0.0, min(high, other_high) - max(low, other_low))


def share_loop(mask: np.ndarray, gt_box: np.ndarray, box: np.ndarray) -> float:
    """Area of each cell's rectangle inside the box, over the area of all."""
    width, height = (gt_box[2:] - gt_box[:2]) / len(mask)
    inside = whole = 0.0
    for row, column in zip(*np.nonzero(mask), strict=True):
        x, y = gt_box[0] + column * width, gt_box[1] + row * height
        inside += overlap(x, x + width, box[0], box[2]) * overlap(y, y + height, box[1], box[3])
        whole += width * height
    return inside / whole if whole else 0.0


def test_share_written_cases(run) -> None:
    left_half = np.zeros((STORED, STORED), np.uint8)
    left_half[:, : STORED // 2] = 1
    masks = np.stack([left_half, np.ones_like(left_half), np.zeros_like(left_half)])[None]
    gt_boxes = np.float32([[[10, 20, 30, 60], [0, 0, 8, 8], [0, 0, 0, 0]]])
    boxes = np.float32([[[10, 20, 30, 60], [0, 0, 100, 100], [10, 20, 15, 60], [20, 20, 30, 60], [12, 30, 30, 60],
                         [4, 0, 8, 2], [8, 0, 16, 8], [3, 3, 3, 3], [0, 0, 5, 5]]])  # fmt: skip
    matched = np.array([[0, 0, 0, 0, 0, 1, 1, 1, 2]], np.int32)
    share = run(share_inside, masks, gt_boxes, matched, boxes)
    assert share.dtype == np.float32
    np.testing.assert_allclose(share, [[1, 1, 0.5, 0, 0.8 * 0.75, 0.125, 0, 0, 0]], atol=1e-6)


def test_share_equals_loop(run) -> None:
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (2, 3, STORED, STORED)).astype(np.uint8)
    corners = rng.uniform(0, 50, (2, 3, 2))
    gt_boxes = np.concatenate([corners, corners + rng.uniform(1, 40, (2, 3, 2))], axis=2).astype(np.float32)
    matched = rng.integers(0, 3, (2, 20)).astype(np.int32)
    corners = rng.uniform(0, 60, (2, 20, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.1, 50, (2, 20, 2))], axis=2).astype(np.float32)
    share = run(share_inside, masks, gt_boxes, matched, boxes)
    for image, slot in np.ndindex(2, 20):
        own = image, matched[image, slot]
        wanted = share_loop(masks[own], gt_boxes[own], boxes[image, slot])
        assert share[image, slot] == pytest.approx(wanted, abs=1e-5)
    assert 0 < np.count_nonzero(share) < share.size


def iou(masks: Tensor, targets: Tensor, share: Tensor) -> Tensor:
    return iou_with_whole(masks, targets, share, 0.0)


def iou_with_eps(masks: Tensor, targets: Tensor, share: Tensor) -> Tensor:
    return iou_with_whole(masks, targets, share, 0.25)


def test_iou_written_cases(run) -> None:
    full, none = np.ones((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    left = np.tile(np.arange(SIDE) < SIDE // 2, (SIDE, 1))
    masks = np.float32([full, left, left, none, full, none, full])
    targets = np.float32([full, full, left, full, none, none, full])
    share = np.float32([1, 1, 0.5, 1, 0, 0, 0])
    wanted = [1, 0.5, 32 / 64, 0, 0, 0, 0]
    np.testing.assert_allclose(run(iou, masks, targets, share), wanted, atol=1e-6)
    wanted = [64 / (64 / 1.25), 32 / (64 / 1.25), 32 / (32 / 0.75), 0, 0, 0, 64 / (64 / 0.25)]
    np.testing.assert_allclose(run(iou_with_eps, masks, targets, share), wanted, rtol=1e-5)


def test_iou_is_that_of_the_full_image(run) -> None:
    """An object of 32 x 32 pixels and a box around its left part: mask cells, drawn as pixels, give the same IoU."""
    rng = np.random.default_rng(1)
    stored = rng.integers(0, 2, (1, 1, 32, 32)).astype(np.uint8)
    image = np.zeros((64, 64), bool)
    image[8:40, 16:48] = stored[0, 0]
    gt_boxes, boxes = np.float32([[[16, 8, 48, 40]]]), np.float32([[[10, 12, 42, 44]]])
    matched = np.zeros((1, 1), np.int32)
    predicted = rng.integers(0, 2, (1, 32, 32))
    pasted = np.zeros_like(image)
    pasted[12:44, 10:42] = predicted[0]
    target = image[None, 12:44, 10:42]
    share = run(share_inside, stored, gt_boxes, matched, boxes).reshape(-1)
    assert 0.5 < share[0] < 0.9
    value = run(iou, predicted.astype(np.float32), target.astype(np.float32), share)
    assert value[0] == pytest.approx((pasted & image).sum() / (pasted | image).sum(), rel=1e-5)


def test_no_gradient(gradients) -> None:
    rng = np.random.default_rng(2)
    masks = rng.uniform(size=(2, SIDE, SIDE)).astype(np.float32)
    share = np.float32([0.5, 1])
    assert not any(gradient.any() for gradient in gradients(iou, np.ones(2, np.float32), masks, masks, share))
