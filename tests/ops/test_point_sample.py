"""Point samples against a loop over points and cells."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mindrcnn.ops.point_sample import point_sample, points_in_boxes, points_in_image, sample_maps

pytestmark = pytest.mark.usefixtures("implementation")

Run = Callable[..., Any]
HEIGHT, WIDTH, CHANNELS = 3, 5, 2


def read_bilinear(map_: np.ndarray, x: float, y: float) -> np.ndarray:
    """Value of a map (C, H, W) at (x, y) in cells: every cell weighs by the distance of its centre; zeros outside."""
    value = np.zeros(len(map_))
    for row, column in np.ndindex(*map_.shape[1:]):
        weight = max(0.0, 1 - abs(column + 0.5 - x)) * max(0.0, 1 - abs(row + 0.5 - y))
        value += weight * map_[:, row, column]
    return value


def reference(maps: np.ndarray, index: np.ndarray, points: np.ndarray) -> np.ndarray:
    result = np.zeros((*points.shape[:2], maps.shape[1]))
    for row, point in np.ndindex(*points.shape[:2]):
        result[row, point] = read_bilinear(maps[index[row]], *points[row, point])
    return result


def make_maps(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, CHANNELS, HEIGHT, WIDTH)).astype(np.float32)


# centres, edges, corners, half and whole cells outside, far away
AXIS = [-9.0, -1.0, -0.5, -0.3, 0.0, 0.2, 0.5, 1.7, 2.5, 3.0, 3.4, 3.5, 4.5, 4.9, 5.0, 5.5, 6.0, 70.0]


def test_cells_equal_the_loop(run: Run) -> None:
    maps = make_maps()
    grid = np.array([(x, y) for y in AXIS for x in AXIS], np.float32)
    index = np.array([2, 0, 0, 1], np.int32)
    points = np.stack([grid, grid, grid[::-1], grid])
    found = run(sample_maps, maps, index, points)
    np.testing.assert_allclose(found, reference(maps, index, points), atol=1e-5)
    assert not found[0, 0].any()  # far outside


def test_masks_of_whole_numbers(run: Run) -> None:
    maps = np.random.default_rng(0).integers(0, 2, (2, 1, HEIGHT, WIDTH)).astype(np.uint8)
    points = np.random.default_rng(1).uniform(-1, 6, (2, 30, 2)).astype(np.float32)
    index = np.array([1, 0], np.int32)
    found = run(sample_maps, maps, index, points)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(maps, index, points), atol=1e-5)


def test_points_that_are_not_finite_are_outside(run: Run) -> None:
    points = np.float32([[[np.nan, 1], [1, np.nan], [np.inf, 1], [1, -np.inf], [1e30, 1], [1, 1]]])
    found = run(sample_maps, np.ones((1, 1, HEIGHT, WIDTH), np.float32), np.zeros(1, np.int32), points)
    np.testing.assert_allclose(found.ravel(), [0, 0, 0, 0, 0, 1], atol=1e-6)


def test_shares_of_the_map(run: Run) -> None:
    maps = make_maps()
    points = np.random.default_rng(1).uniform(-0.2, 1.2, (3, 20, 2)).astype(np.float32)
    wanted = reference(maps, np.arange(3), points * [WIDTH, HEIGHT])
    np.testing.assert_allclose(run(point_sample, maps, points), wanted, atol=1e-5)


def test_gradient_flows_to_the_maps_alone(
    gradients: Callable[..., Any], numeric_gradient: Callable[..., np.ndarray]
) -> None:
    maps = make_maps(2)
    rng = np.random.default_rng(1)
    points = rng.uniform(-0.2, 1.2, (2, 7, 2)).astype(np.float32)
    points[:, 1] = points[:, 0]  # cells read twice receive the sum
    sens = rng.normal(size=(2, 7, CHANNELS)).astype(np.float32)
    to_maps, to_points = gradients(point_sample, sens, maps, points)

    def function(maps):
        return reference(maps, np.arange(2), points * [WIDTH, HEIGHT])

    np.testing.assert_allclose(to_maps, numeric_gradient(function, sens, maps, 1e-3), atol=1e-4)
    assert not to_points.any()


def test_points_between_boxes_and_image(run: Run) -> None:
    boxes = np.float32([[10, 20, 30, 80], [-4, 0, 4, 2]])
    shares = np.float32([[[0, 0], [1, 1], [0.25, 0.5], [1.5, -1]], [[0.5, 0.5], [0, 1], [1, 0], [2, 2]]])
    pixels = np.float32([[[10, 20], [30, 80], [15, 50], [40, -40]], [[0, 1], [-4, 2], [4, 0], [12, 4]]])
    np.testing.assert_allclose(run(points_in_image, boxes, shares), pixels, atol=1e-4)
    np.testing.assert_allclose(run(points_in_boxes, boxes, pixels), shares, atol=1e-5)


@pytest.mark.parametrize("box", [[5, 5, 5, 9], [5, 5, 9, 5], [0, 0, 0, 0]])
def test_no_point_is_in_an_empty_box(run: Run, box: list[float]) -> None:
    points = np.float32([[[5, 5], [0, 0], [7, 7]]])
    shares = run(points_in_boxes, np.float32([box]), points)
    assert np.isfinite(shares).all()
    assert (shares == -1).any(axis=2).all()
