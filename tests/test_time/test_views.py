"""Views of an image, and boxes and masks on their way to and from them."""

import numpy as np
import pytest

from mindrcnn.test_time.views import View

SIZES = np.array([[60, 90], [33, 50]], np.int32)


def images() -> np.ndarray:
    """Two images with one white rectangle each, at BOXES."""
    pixels = np.zeros((2, 3, 64, 96), np.uint8)
    pixels[0, :, 6:18, 9:45] = 255
    pixels[1, :, 4:12, 10:30] = 255
    return pixels


BOXES = np.array([[[9, 6, 45, 18]], [[10, 4, 30, 12]]], np.float32)


@pytest.mark.parametrize("flip", [None, "horizontal", "vertical"])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_box_moves_with_the_pixels(scale, flip):
    view = View(scale=scale, flip=flip)
    pixels, sizes = view.images(images(), SIZES)
    assert pixels.shape[2:] == {0.5: (32, 64), 1.0: (64, 96), 2.0: (128, 192)}[scale]
    for image, size, own, box in zip(pixels, sizes, SIZES, BOXES, strict=True):
        moved = view.boxes_to(box, own, size)
        white = np.argwhere(image[0] > 127)
        top, left = white.min(axis=0)
        bottom, right = white.max(axis=0) + 1
        np.testing.assert_allclose(moved, [[left, top, right, bottom]], atol=0.75)
        np.testing.assert_allclose(view.boxes_from(moved, own, size), box, atol=1e-4)
        assert not image[:, size[0] :].any()
        assert not image[:, :, size[1] :].any()


def test_the_view_at_its_own_scale_is_the_image():
    pixels, sizes = View().images(images(), SIZES)
    np.testing.assert_array_equal(pixels, images())
    np.testing.assert_array_equal(sizes, SIZES)


def test_boxes_are_clipped_to_the_image():
    view = View(flip="horizontal")
    outside = np.array([[-5, -5, 200, 200]], np.float32)
    np.testing.assert_array_equal(view.boxes_from(outside, (60, 90), (60, 90)), [[0, 0, 90, 60]])


@pytest.mark.parametrize("flip", [None, "horizontal", "vertical"])
def test_a_mask_mirrored_twice_is_the_mask(flip):
    mask = np.arange(12.0).reshape(1, 3, 4)
    view = View(flip=flip)
    assert np.array_equal(view.mirror(view.mirror(mask)), mask)
    assert flip is None or not np.array_equal(view.mirror(mask), mask)
