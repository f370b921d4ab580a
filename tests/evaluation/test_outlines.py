"""Outlines of masks: polygons that cover the same pixels."""

import cv2
import numpy as np
import pytest

from mindrcnn.data.masks import encode_outlines
from mindrcnn.evaluation.outlines import mask_polygons
from mindrcnn.evaluation.paste import Rle, decode


def drawn(polygons, height, width):
    packed = encode_outlines(polygons, height, width)
    if packed is None:
        return np.zeros((height, width), bool)
    return decode(Rle(size=[height, width], counts=packed["counts"].decode()))


def iou(first, second):
    return (first & second).sum() / max((first | second).sum(), 1)


def blank(*parts):
    mask = np.zeros((40, 60), bool)
    for part in parts:
        mask[part] = True
    return mask


ring = blank((slice(5, 30), slice(10, 40)))
ring[12:20, 18:30] = False
two_holes = ring.copy()
two_holes[24:27, 13:16] = False

MASKS = {
    "a pixel": (blank((7, 9)), 1, 1.0),
    "a row": (blank((7, slice(9, 20))), 1, 1.0),
    "a rectangle": (blank((slice(0, 40), slice(0, 60))), 1, 1.0),
    "two parts": (blank((slice(2, 9), slice(3, 9)), (slice(20, 30), slice(30, 50))), 2, 1.0),
    "a ring": (ring, 1, 0.99),  # OpenCV cuts the corners of holes
    "two holes": (two_holes, 1, 0.99),
    "corner to corner": (blank((slice(2, 9), slice(3, 9)), (slice(9, 16), slice(9, 16))), 1, 0.97),
    "nothing": (blank(), 0, 0.0),
}


@pytest.mark.parametrize("name", MASKS)
def test_the_same_pixels_are_covered(name):
    mask, count, least = MASKS[name]
    polygons = mask_polygons(mask)
    assert len(polygons) == count
    assert iou(drawn(polygons, *mask.shape), mask) >= least
    assert polygons or not drawn(polygons, *mask.shape).any()


def test_a_disc_has_few_corners_and_loses_little():
    rows, columns = np.mgrid[:90, :100]
    for radius in (4, 12, 40):
        mask = (rows - 44) ** 2 + (columns - 50) ** 2 < radius**2
        (polygon,) = mask_polygons(mask)
        assert iou(drawn([polygon], *mask.shape), mask) > 0.92
        assert len(polygon) < 40


def test_random_blobs_keep_their_pixels():
    rng = np.random.default_rng(0)
    for _ in range(20):
        noise = cv2.GaussianBlur(rng.normal(size=(64, 64)).astype(np.float32), (0, 0), 4)
        mask = noise > 0
        assert iou(drawn(mask_polygons(mask, tolerance=0.0), 64, 64), mask) > 0.97  # holes below 4 pixels are filled
        assert iou(drawn(mask_polygons(mask), 64, 64), mask) > 0.93
