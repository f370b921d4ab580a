"""Boundaries of masks are those of faster-coco-eval, pixel by pixel."""

from itertools import product

import numpy as np
import pytest
from faster_coco_eval.core.mask import rleToBoundary
from pycocotools import mask as mask_api

from mindrcnn.report.boundaries import Boundary, boundary_iou, find_boundaries


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
    ours, theirs = find_boundaries(given), [rleToBoundary(one, 0.02) for one in given]
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(whole(one, *size), mask_api.decode(other))
        assert one.area == mask_api.area(other)
    for (first, found), (second, object_) in product(zip(ours, theirs, strict=True), repeat=2):
        for crowd in (False, True):
            wanted = mask_api.iou([found], [object_], [int(crowd)])[0][0]
            assert boundary_iou(first, second, crowd=crowd) == pytest.approx(wanted, abs=1e-12)


def test_unusual_texts_are_read_too() -> None:
    """Runs of no pixels divide no mask, and a number with needless characters is one."""
    counts = [100, 700, 0, 40, 3, 0, 0, 57, 900, 20, 880]
    parted = mask_api.frPyObjects({"size": [60, 45], "counts": counts}, 60, 45)
    plain = masks(60, 45)[3]
    padded = plain | {"counts": plain["counts"].replace(b"0", b"P" * 6 + b"0", 1)}
    assert padded != plain
    for one, other in zip(find_boundaries([parted, padded]), (parted, plain), strict=True):
        np.testing.assert_array_equal(whole(one, 60, 45), mask_api.decode(rleToBoundary(other, 0.02)))
