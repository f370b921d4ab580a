"""Large-scale jitter against the formulas of detectron2's ResizeScale and FixedSizeCrop."""

from array import array
from dataclasses import replace

import numpy as np
import pytest

from mindrcnn.data.masks import Polygons
from mindrcnn.data.transforms.affine import AxisAffine
from mindrcnn.data.transforms.augment import Augment, image_rng
from mindrcnn.data.transforms.scale_jitter import PADDING, fixed_size_crop, jitter_scale
from mindrcnn.data.transforms.target import Target


@pytest.fixture
def image():
    return np.random.default_rng(3).integers(0, 256, (60, 90, 3), np.uint8)


def rectangles(*boxes):
    corners = [array("f", [x1, y1, x2, y1, x2, y2, x1, y2]) for x1, y1, x2, y2 in boxes]
    return Target(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.arange(1, len(boxes) + 1, dtype=np.int32),
        crowd=np.zeros(len(boxes), bool),
        segmentations=tuple(Polygons((part,)) for part in corners),
        affine=AxisAffine(),
    )


def reference(size, scales, wanted, draws):
    """Returns detectron2's resized (h, w) and offset (y, x)."""
    scale, share = scales[0] + (scales[1] - scales[0]) * draws[0], draws[1]
    target = np.multiply(wanted, scale)
    factor = np.minimum(target[0] / size[0], target[1] / size[1])
    resized = np.round(np.multiply(size, factor)).astype(int)
    offset = np.round(np.multiply(np.maximum(np.subtract(resized, wanted), 0), share)).astype(int)
    return resized, offset


@pytest.mark.parametrize("seed", range(12))
def test_size_and_place_are_those_of_detectron2(image, seed):
    boxes = np.array([[30.0, 20, 60, 40], [0, 0, 90, 60], [80, 50, 90, 60], [1, 2, 5, 4]])
    size, scales = (64, 72), (0.1, 3.0)
    canvas, moved = jitter_scale(image, rectangles(*boxes), np.random.default_rng(seed), scales=scales, size=size)
    resized, (top, left) = reference((60, 90), scales, size, np.random.default_rng(seed).random(2))
    wanted = boxes * np.tile(resized[::-1] / (90, 60), 2) - (left, top, left, top)
    wanted = wanted.clip(0, np.tile(np.minimum(size, resized)[::-1], 2))
    kept = (wanted[:, 2:] > wanted[:, :2]).all(axis=1)
    assert moved.labels.tolist() == (np.flatnonzero(kept) + 1).tolist()
    np.testing.assert_allclose(moved.boxes, wanted[kept], atol=1e-4)
    assert canvas.shape == (*size, 3)
    assert (canvas[resized[0] :] == PADDING).all()
    assert (canvas[:, resized[1] :] == PADDING).all()


def test_pixels_and_masks_move_with_the_boxes():
    image = np.zeros((60, 90, 3), np.uint8)
    image[20:40, 30:60] = 255
    for seed in range(8):
        rng = np.random.default_rng(seed)
        canvas, moved = jitter_scale(image, rectangles((30, 20, 60, 40)), rng, scales=(0.4, 2.0), size=(64, 72))
        for x1, y1, x2, y2 in moved.boxes.round().astype(int):
            assert canvas[y1:y2, x1:x2].mean() > 200
        assert moved.rasterise(14).all()


def test_boxes_shrink_to_the_part_of_the_mask_inside(image):
    triangle = Polygons((array("f", [0, 0, 90, 0, 90, 60]),))
    target = replace(rectangles((0, 0, 90, 60)), segmentations=(triangle,))
    _, moved = fixed_size_crop(image, target, np.random.default_rng(0), size=(60, 30))
    left = round(60 * np.random.default_rng(0).uniform())
    np.testing.assert_allclose(moved.boxes, [[0, 0, 30, (left + 30) / 1.5]], rtol=1e-6)


def test_objects_stay_however_small_they_get(image):
    _, moved = jitter_scale(image, rectangles((3, 3, 5, 5)), np.random.default_rng(0), scales=(0.1, 0.1), size=(64, 64))
    assert 0 < moved.boxes[0, 2] - moved.boxes[0, 0] < 0.2


def test_every_object_may_leave(image):
    sizes = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        sizes.add(len(jitter_scale(image, rectangles((0, 0, 4, 4)), rng, scales=(2.0, 2.0), size=(40, 40))[1]))
    assert sizes == {0, 1}


def test_augmentation_fills_the_bucket_and_flips_the_padding_too(image):
    augment = Augment(flip_prob=1.0, scale_jitter=(0.5, 0.5))
    canvas, moved = augment(image, rectangles((0, 0, 90, 60)), image_rng(0, 0, 0), short_side=7, bucket=(64, 96))
    assert canvas.shape == (64, 96, 3)
    assert (canvas[:, :48] == PADDING).all()
    np.testing.assert_array_equal(moved.boxes, [[48, 0, 96, 32]])
