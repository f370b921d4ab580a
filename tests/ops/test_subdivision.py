"""Selection of points, doubling and writing of masks against loops."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mindrcnn.ops.subdivision import (
    cell_centres,
    doubled,
    grid_points,
    uncertain_cells,
    uncertain_points,
    write_cells,
)

Run = Callable[..., Any]


@pytest.mark.parametrize("side", [1, 2, 5])
def test_grid_points_are_the_centres_row_first(run: Run, side: int) -> None:
    def grid(rows):
        return grid_points(rows.shape[0], side)

    wanted = [((column + 0.5) / side, (row + 0.5) / side) for row in range(side) for column in range(side)]
    np.testing.assert_allclose(run(grid, np.zeros(3, np.float32)), [wanted] * 3, atol=1e-6)


def test_cell_centres(run: Run) -> None:
    def centres(cells):
        return cell_centres(cells, 4)

    found = run(centres, np.array([[0, 3, 4, 15], [7, 7, 8, 1]], np.int32))
    wanted = [[(1, 1), (7, 1), (1, 3), (7, 7)], [(7, 3), (7, 3), (1, 5), (3, 1)]]
    np.testing.assert_allclose(found, np.array(wanted) / 8, atol=1e-6)


def test_uncertain_points_are_those_whose_own_logit_is_nearest_to_zero(run: Run) -> None:
    """Between cells of -1 and 1 the logit is 0, although neither cell is uncertain."""
    logits = np.float32([[[-1, 1], [-1, 1]], [[3, 3], [-1, -1]]])
    candidates = np.float32([[0.25, 0.5], [0.5, 0.5], [0.4, 0.4], [0.75, 0.3], [0.5, 0.625]])

    def choose(logits, candidates):
        return uncertain_points(logits, candidates, 2)

    found = run(choose, logits, np.stack([candidates, candidates]))
    np.testing.assert_allclose(found, [candidates[[1, 4]], candidates[[4, 1]]])


def test_uncertain_cells(run: Run) -> None:
    logits = np.random.default_rng(0).normal(size=(3, 6, 6)).astype(np.float32)

    def choose(logits):
        return uncertain_cells(logits, 7)

    found = run(choose, logits)
    assert found.dtype == np.int32
    for row, cells in enumerate(found):
        assert set(cells) == set(np.argsort(np.abs(logits[row]).ravel())[:7])


@pytest.mark.parametrize("side", [1, 2, 5])
def test_doubling_is_bilinear(run: Run, side: int) -> None:
    logits = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)
    found = run(doubled, logits)
    assert found.shape == (2, 2 * side, 2 * side)
    for index, row, column in np.ndindex(*found.shape):
        y, x = (np.clip((place + 0.5) / 2 - 0.5, 0, side - 1) for place in (row, column))
        value = 0.0
        for r, c in np.ndindex(side, side):
            value += max(0.0, 1 - abs(r - y)) * max(0.0, 1 - abs(c - x)) * logits[index, r, c]
        assert found[index, row, column] == pytest.approx(value, abs=1e-5)


def test_written_cells(run: Run) -> None:
    logits = np.zeros((2, 3, 3), np.float32)
    cells = np.array([[4, 0], [8, 2]], np.int32)
    found = run(write_cells, logits, cells, np.float32([[1, 2], [3, 4]]))
    np.testing.assert_array_equal(found, [[[2, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 4], [0, 0, 0], [0, 0, 3]]])
