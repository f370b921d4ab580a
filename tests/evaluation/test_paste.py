"""Pasting against a reference that computes every pixel of the image on its own."""

import math

import numpy as np
import pytest

from mindrcnn.evaluation.paste import decode, encode_masks, paste_window
from mindrcnn.native.library import VARIABLE, available

HEIGHT, WIDTH = 23, 31


@pytest.fixture(params=["portable", "native"], autouse=True)
def implementation(request, monkeypatch):
    """Runs the test with numpy, and with the C++ function if it is available."""
    if request.param == "portable":
        monkeypatch.setenv(VARIABLE, "0")
    elif not available():
        pytest.skip("no native kernels here")


def cell_value(mask, row, column):
    inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
    return float(mask[row, column]) if inside else 0.0


def reference_values(mask, box, height, width):
    """Interpolates every pixel on its own between the four mask cells around its centre; zero outside the mask."""
    side = mask.shape[0]
    x_low, y_low, x_high, y_high = (float(value) for value in box)
    values = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            y = (row + 0.5 - y_low) / (y_high - y_low) * side - 0.5
            x = (column + 0.5 - x_low) / (x_high - x_low) * side - 0.5
            above, left = math.floor(y), math.floor(x)
            for cell_row, row_weight in ((above, 1 - (y - above)), (above + 1, y - above)):
                for cell_column, column_weight in ((left, 1 - (x - left)), (left + 1, x - left)):
                    values[row, column] += row_weight * column_weight * cell_value(mask, cell_row, cell_column)
    return values


BOXES = {
    "inside": (4.3, 5.8, 20.1, 17.4),
    "whole pixels": (5, 6, 15, 16),
    "left and top outside": (-7.5, -3.2, 9.6, 12.0),
    "right and bottom outside": (20.2, 10.1, 44.0, 30.5),
    "larger than the image": (-30.0, -25.0, 70.0, 55.0),
    "under one pixel": (10.2, 10.3, 10.9, 10.8),
    "under one pixel, between centres": (10.6, 10.6, 11.4, 11.4),
    "thin": (3.0, 8.45, 28.0, 8.62),
    "the whole image": (0, 0, WIDTH, HEIGHT),
    "wholly outside": (40.0, 3.0, 50.0, 9.0),
}


@pytest.mark.parametrize("thresh", [0.5, 0.3, 0.7, 0.05])
@pytest.mark.parametrize("side", [1, 3, 28])
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES.keys())
def test_equals_the_reference(box, side, thresh):
    rng = np.random.default_rng(side)
    mask = rng.uniform(0, 1, (side, side)).astype(np.float32)
    values = reference_values(mask, box, HEIGHT, WIDTH)
    (rle,) = encode_masks(mask[None], np.array([box], np.float32), height=HEIGHT, width=WIDTH, thresh=thresh)
    clear = np.abs(values - thresh) > 1e-4
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(decode(rle)[clear], (values >= thresh)[clear])


def test_a_full_mask_fills_exactly_the_pixels_whose_centres_lie_in_the_box():
    (rle,) = encode_masks(np.ones((1, 28, 28), np.float32), np.array([[5, 6, 15, 16]]), height=HEIGHT, width=WIDTH)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[6:16, 5:15] = True
    np.testing.assert_array_equal(decode(rle), expected)


def test_the_value_at_the_threshold_belongs_to_the_object():
    window, _, _ = paste_window(np.full((4, 4), 0.5, np.float32), np.array([2, 2, 6, 6]), height=9, width=9, thresh=0.5)
    assert window.sum() == 16


@pytest.mark.parametrize(
    "box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 9, 5, 5), (0, 0, 0, 0), (0, 0, np.nan, 9), (0, 0, 9, np.inf)]
)
def test_an_empty_box_gives_an_empty_mask(box):
    with np.errstate(all="raise"):
        (rle,) = encode_masks(np.ones((1, 28, 28), np.float32), np.array([box], np.float32), height=HEIGHT, width=WIDTH)
    assert not decode(rle).any()


def test_no_objects():
    assert encode_masks(np.zeros((0, 28, 28), np.float32), np.zeros((0, 4), np.float32), height=5, width=5) == []


def test_only_a_window_is_computed():
    window, left, top = paste_window(
        np.ones((28, 28), np.float32), np.array([100, 200, 110, 220]), height=800, width=1344, thresh=0.5
    )
    assert window.shape[0] <= 12
    assert window.shape[1] <= 22
    assert left >= 99
    assert top >= 199
