"""Window RLE against pycocotools' encoding of the full bitmap."""

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mindrcnn.evaluation.paste import compress, decode, encode_bitmap, window_counts


def full_bitmap(window, left, top, height, width):
    bitmap = np.zeros((height, width), np.uint8, order="F")
    bitmap[top : top + window.shape[1], left : left + window.shape[0]] = window.T
    return bitmap


def assert_same_as_pycocotools(window, left, top, height, width):
    counts = window_counts(window, left=left, top=top, height=height, width=width)
    (rle,) = compress([counts], height=height, width=width)
    expected = mask_api.encode(full_bitmap(window, left, top, height, width))
    assert rle == {"size": [height, width], "counts": expected["counts"].decode()}
    assert counts.sum() == height * width


@pytest.mark.parametrize("density", [0.02, 0.5, 0.98])
def test_random_windows(density):
    rng = np.random.default_rng(0)
    for _ in range(300):
        height, width = rng.integers(1, 20, 2)
        top, left = rng.integers(0, height), rng.integers(0, width)
        shape = rng.integers(0, width - left + 1), rng.integers(0, height - top + 1)
        assert_same_as_pycocotools(rng.uniform(size=shape) < density, left, top, height, width)


@pytest.mark.parametrize("rows", [(0, 6), (0, 3), (3, 6), (2, 4)])
@pytest.mark.parametrize("columns", [(0, 7), (0, 3), (4, 7), (2, 5)])
def test_full_windows_join_runs_across_columns(rows, columns):
    window = np.ones((columns[1] - columns[0], rows[1] - rows[0]), bool)
    assert_same_as_pycocotools(window, columns[0], rows[0], 6, 7)


def test_random_bitmaps_as_high_as_the_image():
    rng = np.random.default_rng(1)
    for _ in range(200):
        bitmap = rng.uniform(size=rng.integers(1, 12, 2)) < 0.8
        assert (
            encode_bitmap(bitmap)["counts"]
            == mask_api.encode(np.asfortranarray(bitmap.view(np.uint8)))["counts"].decode()
        )


def test_a_large_image_with_long_runs():
    window = np.zeros((2, 3), bool)
    window[1, 2] = True
    assert_same_as_pycocotools(window, 3000, 2000, 4000, 6000)


def test_empty_mask_is_one_run_of_zeros():
    assert window_counts(np.zeros((0, 0), bool), left=0, top=0, height=3, width=4).tolist() == [12]


def test_decode_undoes_encode():
    bitmap = np.random.default_rng(2).uniform(size=(9, 14)) < 0.5
    np.testing.assert_array_equal(decode(encode_bitmap(bitmap)), bitmap)
