from array import array

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mindrcnn.data.masks import Polygons, clip_polygon, run_lengths
from mindrcnn.data.transforms.affine import AxisAffine


def polygons(*parts):
    return Polygons(tuple(array("f", part) for part in parts))


RECTANGLE = [10, 20, 50, 20, 50, 40, 10, 40]


def test_rectangle_fills_its_box():
    assert polygons(RECTANGLE).rasterise(AxisAffine(), [10, 20, 50, 40], 28).all()


def test_rectangle_fills_half_of_a_box_twice_as_wide():
    mask = polygons(RECTANGLE).rasterise(AxisAffine(), [10, 20, 90, 40], 28)
    assert mask[:, :14].all()
    assert not mask[:, 14:].any()


def test_triangle_fills_half():
    mask = polygons([10, 20, 50, 20, 50, 40]).rasterise(AxisAffine(), [10, 20, 50, 40], 112)
    assert mask.mean() == pytest.approx(0.5, abs=0.005)
    assert mask[5, 100] == 1
    assert mask[100, 5] == 0


def test_parts_are_united():
    mask = polygons([0, 0, 6, 0, 6, 10, 0, 10], [4, 0, 10, 0, 10, 10, 4, 10]).rasterise(
        AxisAffine(), [0, 0, 10, 10], 20
    )
    assert mask.all()


def inside(points, x, y):
    """Applies the even-odd rule to one point, the slow and obvious way."""
    crossings = 0
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            crossings += 1
    return crossings % 2


def test_against_the_even_odd_rule_at_bin_centres():
    rng = np.random.default_rng(0)
    differing = []
    for _ in range(10):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(10, 40, (9, 1)) + 50
        box = [*points.min(axis=0), *points.max(axis=0)]
        mask = polygons(points.reshape(-1).tolist()).rasterise(AxisAffine(), box, 28)
        x1, y1, x2, y2 = box
        exact = [
            [inside(points, x1 + (u + 0.5) * (x2 - x1) / 28, y1 + (v + 0.5) * (y2 - y1) / 28) for u in range(28)]
            for v in range(28)
        ]
        differing.append((mask != exact).mean())
    assert np.mean(differing) < 0.01


def test_moves_with_its_frame():
    mask = polygons([10, 20, 50, 20, 50, 40]).rasterise(AxisAffine(), [10, 20, 50, 40], 56)
    affine = AxisAffine().scale(2, 3).shift(7, -5).mirror(300)
    x1, y1, x2, y2 = affine.from_file(np.array([10.0, 20, 50, 40]))
    assert (x1, y1, x2, y2) == (300 - 107, 55, 300 - 27, 115)
    moved = polygons([10, 20, 50, 20, 50, 40]).rasterise(affine, [x1, y1, x2, y2], 56)
    assert (moved != mask[:, ::-1]).mean() < 0.01
    assert (moved != mask).mean() > 0.3
    np.testing.assert_allclose(affine.to_file(np.array([x1, y1, x2, y2])), [10, 20, 50, 40])


def test_a_polygon_far_larger_than_its_box():
    huge = polygons([-1e9, -1e9, 1e9, -1e9, 1e9, 1e9, -1e9, 1e9])
    assert huge.rasterise(AxisAffine(), [3, 4, 5, 6], 28).all()
    left = polygons([-1e9, -1e9, 4, -1e9, 4, 1e9, -1e9, 1e9])
    mask = left.rasterise(AxisAffine(), [3, 4, 5, 6], 28)
    assert mask[:, :14].all()
    assert not mask[:, 14:].any()


def ring_bitmap():
    rows, columns = np.mgrid[:60, :80]
    distance = np.hypot(rows - 30, columns - 40)
    return ((distance < 25) & (distance > 10)).astype(np.uint8)


def rle_forms(bitmap):
    text = coco_mask.encode(np.asfortranarray(bitmap))["counts"]
    flat = bitmap.T.reshape(-1)
    ends = np.flatnonzero(np.diff(flat, prepend=0, append=2))
    return {"bytes": text, "text": text.decode(), "numbers": np.diff(ends, prepend=0).tolist()}


@pytest.mark.parametrize("form", ["bytes", "text", "numbers"])
def test_run_lengths_with_holes(form):
    bitmap = ring_bitmap()
    np.testing.assert_array_equal(run_lengths(60, 80, rle_forms(bitmap)[form]).bitmap(), bitmap)


def test_compressed_run_lengths_of_any_bitmap():
    rng = np.random.default_rng(1)
    for _ in range(50):
        height, width = rng.integers(1, 200, 2)
        bitmap = (rng.random((height, width)) < rng.choice([0, 0.01, 0.5, 0.99, 1])).astype(np.uint8)
        text = coco_mask.encode(np.asfortranarray(bitmap))["counts"]
        np.testing.assert_array_equal(run_lengths(height, width, text).bitmap(), bitmap)


BAD_COUNTS = ["", b"\x00", "garbage~", "5220", "o" * 3, "oooooooooo0", [], [1, -1, 4800], [4.5], [4799]]


@pytest.mark.parametrize("counts", BAD_COUNTS)
def test_bad_run_lengths(counts):
    with pytest.raises(ValueError, match="wanted"):
        run_lengths(60, 80, counts)


@pytest.mark.parametrize("side", [28, 112])
def test_bitmap_in_its_box_keeps_the_hole(side):
    bitmap = ring_bitmap()
    mask = run_lengths(60, 80, rle_forms(bitmap)["bytes"]).rasterise(AxisAffine(), [16, 6, 65, 55], side)
    assert mask[side // 2, side // 2] == 0
    assert mask[side // 2, side // 8] == 1
    assert mask.mean() == pytest.approx(bitmap[6:55, 16:65].mean(), abs=0.02)


def test_bitmap_moves_with_its_frame():
    bitmap = np.zeros((40, 40), np.uint8)
    bitmap[10:20, 5:30] = 1
    bitmap[10:15, 5:10] = 0
    stored = run_lengths(40, 40, rle_forms(bitmap)["bytes"])
    mask = stored.rasterise(AxisAffine(), [5, 10, 30, 20], 40)
    affine = AxisAffine().mirror(40).scale(3, 2).shift(11, 13)
    box = affine.from_file(np.array([5.0, 10, 30, 20]))
    np.testing.assert_array_equal(stored.rasterise(affine, box, 40), mask[:, ::-1])
    assert mask[0, 0] == 0
    assert mask[0, -1] == 1


def test_bitmap_that_fills_the_image_fills_its_box():
    assert run_lengths(4, 6, [0, 24]).rasterise(AxisAffine(), [0, 0, 6, 4], 112).all()


def test_extent_of_what_a_window_shows():
    shape = polygons([10, 20, 50, 20, 50, 40])  # the right angle at the top right
    np.testing.assert_allclose(shape.extent(np.array([0.0, 0, 30, 100])), [10, 20, 30, 30])
    np.testing.assert_allclose(shape.extent(np.array([0.0, 0, 100, 100])), [10, 20, 50, 40])
    assert shape.extent(np.array([0.0, 35, 30, 100])) is None
    bitmap = np.zeros((40, 60), np.uint8)
    for column in range(10, 50):
        bitmap[20 : 20 + (column - 10) // 2 + 1, column] = 1
    stored = run_lengths(40, 60, rle_forms(bitmap)["bytes"])
    np.testing.assert_array_equal(stored.extent(np.array([0.0, 0, 30, 100])), [10, 20, 30, 30])
    np.testing.assert_array_equal(stored.extent(np.array([10.5, 21.5, 29.5, 100])), [12, 21.5, 29.5, 30])
    assert stored.extent(np.array([0.0, 35, 30, 100])) is None
    assert stored.extent(np.array([-9.0, -9, -1, -1])) is None


@pytest.mark.parametrize(
    ("outline", "wanted"),
    [
        # arms that reach in from the left and the right, joined above the window
        ([0, 0, 60, 0, 60, 50, 45, 50, 45, 45, 55, 45, 55, 5, 5, 5, 5, 40, 15, 40, 15, 44, 0, 44], [10, 40, 50, 50]),
        ([0, 0, 60, 0, 60, 60, 55, 60, 55, 5, 5, 5, 5, 60, 0, 60], None),  # around the window on three sides
        ([0, 0, 60, 0, 60, 60, 0, 60], [10, 10, 50, 50]),  # covers it
        ([10, 10, 50, 10, 50, 50, 10, 50], [10, 10, 50, 50]),  # equals it
        ([10, 10, 20, 10, 20, 50, 10, 50], [10, 10, 20, 50]),  # shares three sides
        ([0, 0, 10, 0, 10, 60, 0, 60], None),  # touches it
        ([0, 0, 30, 0, 0, 30], [10, 10, 20, 20]),  # cuts its corner off
    ],
)
def test_extent_is_exact_where_the_window_cuts_an_outline_into_pieces(outline, wanted):
    extent = polygons(outline).extent(np.array([10.0, 10, 50, 50]))
    assert (None if extent is None else extent.tolist()) == wanted


def test_extent_against_a_fine_grid():
    rng = np.random.default_rng(5)
    window, cells = np.array([10.0, 20, 42, 44]), (24 * 16, 32 * 16)
    for corners in (3, 4, 5, 7, 9):
        shape = polygons(rng.uniform(-10, 70, 2 * corners))
        rows, columns = (np.flatnonzero(shape.draw(AxisAffine(), window, *cells).any(axis=axis)) for axis in (1, 0))
        edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 16 + [10, 20, 10, 20]
        np.testing.assert_allclose(shape.extent(window), edges, atol=0.5)


def test_a_grid_of_other_sides_than_a_square():
    shape = polygons([0, 0, 40, 0, 40, 10, 0, 10])
    mask = shape.draw(AxisAffine(), [0, 0, 80, 20], 4, 16)
    assert mask.shape == (4, 16)
    assert mask[:2, :8].all()
    assert mask.sum() == 16
    bitmap = np.zeros((6, 9), np.uint8)
    bitmap[2:4, 3:9] = 1
    stored = run_lengths(6, 9, rle_forms(bitmap)["bytes"])
    np.testing.assert_array_equal(stored.draw(AxisAffine(), [2, 1, 9, 5], 4, 7), bitmap[1:5, 2:9])


def test_clipping_keeps_the_area_inside():
    def area(points):
        x, y = points.T
        return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2

    square = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    assert area(clip_polygon(square, np.array([2.0, -5, 20, 4]))) == pytest.approx(8 * 4)
    assert area(clip_polygon(square[::-1], np.array([2.0, 3, 5, 4]))) == pytest.approx(3)
    np.testing.assert_array_equal(clip_polygon(square, np.array([-1.0, -1, 11, 11])), square)
    assert len(clip_polygon(square, np.array([20.0, 0, 30, 10]))) == 0
