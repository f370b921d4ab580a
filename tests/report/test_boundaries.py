"""Boundaries of masks are those of faster-coco-eval, pixel by pixel."""

from itertools import product

import numpy as np
import pytest
from faster_coco_eval.core.mask import rleToBoundary
from pycocotools import mask as mask_api

from mindrcnn.report.boundaries import Boundary, boundary_iou, find_boundary


def masks(height: int, width: int) -> list[dict]:
    """Masks of several parts with holes, none and all of the pixels."""
    random = np.random.default_rng(0)
    bitmaps = [np.zeros((height, width), np.uint8), np.ones((height, width), np.uint8)]
    for count in range(1, 7):
        bitmap = np.zeros((height, width), np.uint8)
        for _ in range(count):
            y, x = random.integers(height), random.integers(width)
            bitmap[y : y + random.integers(1, height + 1), x : x + random.integers(1, width + 1)] ^= 1
        bitmaps.append(bitmap)
    return [mask_api.encode(np.asfortranarray(one)) for one in bitmaps]


def whole(boundary: Boundary, height: int, width: int) -> np.ndarray:
    bitmap = np.zeros((height, width), np.uint8)
    across, down = boundary.pixels.shape
    bitmap[boundary.top : boundary.top + down, boundary.left : boundary.left + across] = boundary.pixels.T
    return bitmap


# 2 % of the diagonal is half a pixel more than a whole number in the second and third.
@pytest.mark.parametrize("size", [(3, 9), (60, 45), (100, 75), (37, 41)])
def test_they_are_those_of_faster_coco_eval(size: tuple[int, int]) -> None:
    given = masks(*size)
    ours, theirs = [find_boundary(one) for one in given], [rleToBoundary(one, 0.02) for one in given]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(whole(one, *size), mask_api.decode(other))
        assert one.area == mask_api.area(other)
    for (first, found), (second, object_) in product(zip(ours, theirs, strict=True), repeat=2):
        for crowd in (False, True):
            wanted = mask_api.iou([found], [object_], [int(crowd)])[0][0]
            assert boundary_iou(first, second, crowd=crowd) == pytest.approx(wanted, abs=1e-12)
