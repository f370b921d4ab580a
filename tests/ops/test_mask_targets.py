"""Mask targets against loops over bins, and against rasterised polygons of real objects."""

import json

import numpy as np
import pytest
from mindspore import Tensor
from pycocotools import mask as coco_mask

from mindrcnn.ops.mask_targets import crop_masks

pytestmark = pytest.mark.usefixtures("implementation")

SIDE = 6
STORED = 12


def crop(gt_masks: Tensor, gt_boxes: Tensor, matched_gt: Tensor, boxes: Tensor) -> Tensor:
    return crop_masks(gt_masks, gt_boxes, matched_gt, boxes, SIDE)


def crop_28(gt_masks: Tensor, gt_boxes: Tensor, matched_gt: Tensor, boxes: Tensor) -> Tensor:
    return crop_masks(gt_masks, gt_boxes, matched_gt, boxes, 28)


def crop_loop(mask: np.ndarray, gt_box: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """Values before thresholding; -1 outside gt_box."""
    stored = len(mask)
    result = np.full((side, side), -1.0)
    for row in range(side):
        for column in range(side):
            x = box[0] + (column + 0.5) / side * (box[2] - box[0])
            y = box[1] + (row + 0.5) / side * (box[3] - box[1])
            if gt_box[2] <= gt_box[0] or gt_box[3] <= gt_box[1]:
                continue
            x, y = (x - gt_box[0]) / (gt_box[2] - gt_box[0]), (y - gt_box[1]) / (gt_box[3] - gt_box[1])
            if not (0 <= x <= 1 and 0 <= y <= 1):
                continue
            x, y = (min(max(value * stored - 0.5, 0), stored - 1) for value in (x, y))
            left, top = min(int(x), stored - 2), min(int(y), stored - 2)
            lx, ly = x - left, y - top
            result[row, column] = (
                mask[top, left] * (1 - lx) * (1 - ly)
                + mask[top, left + 1] * lx * (1 - ly)
                + mask[top + 1, left] * (1 - lx) * ly
                + mask[top + 1, left + 1] * lx * ly
            )
    return result


def quarter_mask() -> np.ndarray:
    """A mask that is set in the upper left quarter."""
    mask = np.zeros((STORED, STORED), np.uint8)
    mask[: STORED // 2, : STORED // 2] = 1
    return mask


def test_written_cases(run) -> None:
    masks = np.stack([quarter_mask(), np.ones((STORED, STORED), np.uint8)])[None]
    gt_boxes = np.array([[[10, 20, 22, 32], [0, 0, 12, 6]]], np.float32)
    boxes = np.array([[[10, 20, 22, 32], [10, 20, 16, 26], [16, 20, 22, 26], [4, 20, 16, 32], [100, 100, 112, 112],
                       [0, 0, 12, 12], [0, 0, 12, 12]]], np.float32)  # fmt: skip
    matched = np.array([[0, 0, 0, 0, 0, 1, 0]], np.int32)
    targets = run(crop, masks, gt_boxes, matched, boxes)
    half = SIDE // 2
    expected = np.zeros((7, SIDE, SIDE))
    expected[0, :half, :half] = 1  # the object's own box
    expected[1] = 1  # its upper left quarter
    expected[3, :half, half:] = 1  # moved left by half: the object is in the right half
    expected[5, :half] = 1  # the object ends half way down
    np.testing.assert_array_equal(targets, expected[None])
    assert targets.dtype == np.float32


def test_random_crops_against_loops(run) -> None:
    rng = np.random.default_rng(0)
    masks = (rng.random((2, 3, STORED, STORED)) < 0.5).astype(np.uint8)
    low = rng.uniform(0, 50, (2, 3, 2))
    gt_boxes = np.concatenate([low, low + rng.uniform(5, 40, (2, 3, 2))], -1).astype(np.float32)
    gt_boxes[1, 2] = (30, 30, 30, 50)  # no width
    matched = rng.integers(0, 3, (2, 7)).astype(np.int32)
    matched[1, 0] = 2
    boxes = np.take_along_axis(gt_boxes, matched[..., None], axis=1) + rng.uniform(-4, 4, (2, 7, 4)).astype(np.float32)
    boxes[0, 3] = (20, 20, 20, 20)  # a point
    targets = run(crop, masks, gt_boxes, matched, boxes)
    for image, sample in np.ndindex(2, 7):
        gt = matched[image, sample]
        value = crop_loop(masks[image, gt], gt_boxes[image, gt], boxes[image, sample], SIDE)
        sure = np.abs(value - 0.5) > 1e-3  # float32 may fall on either side of the threshold
        assert sure.mean() > 0.8
        np.testing.assert_array_equal(targets[image, sample][sure], (value >= 0.5)[sure])
    assert targets[1, 0].sum() == 0
    assert 0.1 < targets.mean() < 0.9


def test_same_side_and_box_gives_the_mask_itself(run) -> None:
    mask = (np.random.default_rng(1).random((1, 1, SIDE, SIDE)) < 0.5).astype(np.uint8)
    box = np.array([[[3.25, 4.5, 90.75, 60]]], np.float32)
    targets = run(crop, mask, box, np.zeros((1, 1), np.int32), box)
    np.testing.assert_array_equal(targets[0, 0], mask[0, 0])


def rasterise(parts: list[np.ndarray], box: np.ndarray, side: int) -> np.ndarray:
    """Rasterisation as in detectron2's rasterize_polygons_within_box."""
    scaled = [((part - box[:2]) * side / (box[2:] - box[:2])).reshape(-1) for part in parts]
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(scaled, side, side)))


def test_close_to_rasterised_polygons(run, shared_data) -> None:
    """200 objects of COCO, boxes moved by up to a tenth of their size: on average less than 1% of the pixels differ."""
    annotations = json.loads((shared_data / "coco_mini/annotations/instances_val2017.json").read_text())["annotations"]
    rng = np.random.default_rng(0)
    masks, gt_boxes, boxes, exact = [], [], [], []
    for annotation in annotations:
        if annotation["iscrowd"] or annotation["area"] < 400 or len(masks) == 200:
            continue
        parts = [np.array(part).reshape(-1, 2) for part in annotation["segmentation"]]
        points = np.concatenate(parts)
        gt_box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        box = gt_box + rng.uniform(-0.1, 0.1, 4) * np.tile(gt_box[2:] - gt_box[:2], 2)
        masks.append(rasterise(parts, gt_box, 112))
        gt_boxes.append(gt_box)
        boxes.append(box)
        exact.append(rasterise(parts, box, 28))
    assert len(masks) == 200
    matched = np.arange(200, dtype=np.int32)[None]
    targets = run(
        crop_28, np.stack(masks)[None], np.array([gt_boxes], np.float32), matched, np.array([boxes], np.float32)
    )
    assert 0.3 < targets.mean() < 0.8
    assert np.mean(targets[0] != np.stack(exact)) < 0.01
