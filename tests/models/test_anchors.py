"""Anchors against rows written by hand."""

import numpy as np
import pytest

from mindrcnn.models.rpn import cell_anchors, grid_anchors


def test_cell_anchors_by_hand() -> None:
    # as in detectron2's test_anchor_generator: ratio is height / width, area stays 32 x 32
    expected = [[-32, -8, 32, 8], [-16, -16, 16, 16], [-8, -32, 8, 32]]
    anchors = cell_anchors(32.0, (0.25, 1.0, 4.0), rounded=False)
    np.testing.assert_array_equal(anchors, np.array(expected, np.float32))
    assert anchors.dtype == np.float32


def test_rounded_cell_anchors_are_torchvisions() -> None:
    expected = [[-23, -11, 23, 11], [-16, -16, 16, 16], [-11, -23, 11, 23]]
    np.testing.assert_array_equal(cell_anchors(32.0, (0.5, 1.0, 2.0), rounded=True), np.array(expected, np.float32))


def test_unrounded_cell_anchors_keep_area_and_ratio() -> None:
    anchors = cell_anchors(100.0, (0.5, 1.0, 2.0), rounded=False).astype(np.float64)
    width, height = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    np.testing.assert_allclose(width * height, 100.0**2, rtol=1e-6)
    np.testing.assert_allclose(height / width, [0.5, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(anchors[:, :2], -anchors[:, 2:])


def test_grid_order_is_level_row_column_ratio() -> None:
    grid = grid_anchors(((2, 2), (1, 1)), (4, 8), (2.0, 8.0), (1.0, 4.0), rounded=False)
    expected = [
        [-1, -1, 1, 1],
        [-0.5, -2, 0.5, 2],
        [3, -1, 5, 1],  # second column
        [3.5, -2, 4.5, 2],
        [-1, 3, 1, 5],  # second row
        [-0.5, 2, 0.5, 6],
        [3, 3, 5, 5],
        [3.5, 2, 4.5, 6],
        [-4, -4, 4, 4],  # second level
        [-2, -8, 2, 8],
    ]
    np.testing.assert_array_equal(grid, np.array(expected, np.float32))
    assert grid.dtype == np.float32


def test_count_of_a_full_pyramid() -> None:
    sizes = ((200, 336), (100, 168), (50, 84), (25, 42), (13, 21))
    grid = grid_anchors(sizes, (4, 8, 16, 32, 64), (32.0, 64.0, 128.0, 256.0, 512.0), (0.5, 1.0, 2.0), rounded=False)
    assert grid.shape == (3 * sum(h * w for h, w in sizes), 4)
    # the last cell of the last level
    np.testing.assert_array_equal(grid[-2], np.array([20 * 64 - 256, 12 * 64 - 256, 20 * 64 + 256, 12 * 64 + 256]))


def test_one_size_and_stride_per_level() -> None:
    with pytest.raises(ValueError, match="zip"):
        grid_anchors(((1, 1), (1, 1)), (4, 8), (32.0,), (1.0,), rounded=False)
