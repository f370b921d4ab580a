"""Pasting in C++ and in numpy: equal run lengths, strings included, except within rounding of the threshold."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from mindrcnn.evaluation.paste import Rle, decode, encode_masks
from mindrcnn.native import paste
from mindrcnn.native.library import VARIABLE, available

HEIGHT, WIDTH = 120, 170
ROUNDING = 1e-6  # probabilities; a few units in the last place of a float32 below 1

pytestmark = pytest.mark.skipif(not available(), reason="no native kernels here")


def both(masks: np.ndarray, boxes: np.ndarray, thresh: float = 0.5, **size: int) -> tuple[list[Rle], list[Rle]]:
    """Results of the numpy form and of the C++ form."""
    size = size or {"height": HEIGHT, "width": WIDTH}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "0")
        portable = encode_masks(masks, boxes, thresh=thresh, **size)
    return portable, encode_masks(masks, boxes, thresh=thresh, **size)


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Boxes inside the image, across its border, larger than it, smaller than a pixel, and at whole pixels."""
    side = np.exp(rng.uniform(-1, 6, (count, 2)))
    centre = rng.uniform(-0.2, 1.2, (count, 2)) * (WIDTH, HEIGHT)
    boxes = np.concatenate([centre - side / 2, centre + side / 2], axis=1)
    boxes[::4] = np.round(boxes[::4])
    boxes[::4, 2:] += 1
    boxes[0] = (0, 0, WIDTH, HEIGHT)
    return boxes.astype(np.float32)


def exact_values(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The pasted probabilities of a whole image, in float64 with the weights that both forms round to float32."""
    weights = []
    for low, high, count in ((box[1], box[3], HEIGHT), (box[0], box[2], WIDTH)):
        cell = (np.arange(count) + 0.5 - float(low)) / (float(high) - float(low)) * len(mask) - 0.5
        weight = np.maximum(0.0, 1.0 - np.abs(cell[:, None] - np.arange(len(mask))))
        weights.append(weight.astype(np.float32).astype(np.float64))
    return weights[0] @ mask.astype(np.float64) @ weights[1].T


@pytest.mark.parametrize("thresh", [0.5, 0.3, 0.05, 0.7])
@pytest.mark.parametrize("side", [1, 2, 7, 28, 112])
def test_the_same_strings(side: int, thresh: float) -> None:
    """Masks of noise, the worst case; the few masks with a value too near the threshold are left out."""
    rng = np.random.default_rng(side)
    masks, boxes = rng.uniform(0, 1, (40, side, side)).astype(np.float32), random_boxes(rng, 40)
    portable, native = both(masks, boxes, thresh)
    values = [exact_values(mask, box) for mask, box in zip(masks, boxes, strict=True)]
    for wanted, got, value in zip(portable, native, values, strict=True):
        assert got["size"] == [HEIGHT, WIDTH]
        if (np.abs(value - thresh) > ROUNDING).all():
            assert got["counts"] == wanted["counts"]
    assert sum((np.abs(value - thresh) > ROUNDING).all() for value in values) > 30
    assert any(decode(rle).any() for rle in native)


def test_values_at_the_threshold_may_fall_either_way_and_no_others() -> None:
    """Masks of a few levels, with every value between them at or very near the threshold."""
    rng = np.random.default_rng(0)
    masks = rng.choice(np.float32([0.25, 0.5, 0.75]), (40, 14, 14))
    boxes = random_boxes(rng, 40)
    portable, native = both(masks, boxes)
    clear_pixels = 0
    for wanted, got, mask, box in zip(portable, native, masks, boxes, strict=True):
        clear = np.abs(exact_values(mask, box) - 0.5) > ROUNDING
        clear_pixels += clear.sum()
        np.testing.assert_array_equal(decode(got)[clear], decode(wanted)[clear])
    assert clear_pixels < 0.999 * 40 * HEIGHT * WIDTH  # there were such values


ODD_BOXES = (
    (5, 5, 5, 9),
    (9, 9, 5, 5),
    (0, 0, np.nan, 9),
    (-np.inf, 0, 9, np.inf),
    (-3e38, -3e38, 3e38, 3e38),
    (1e9, 0, 2e9, 9),
    (-2e9, 0, -1e9, 9),
    (5, 5, 5.0000005, 9),
    (0, 0, WIDTH, HEIGHT),
    (0, -50, WIDTH, 300),
)


@pytest.mark.parametrize("box", ODD_BOXES)
def test_odd_boxes(box: tuple[float, ...]) -> None:
    portable, native = both(np.ones((2, 7, 7), np.float32), np.float32([box, box]))
    assert native == portable


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 50), (50, 1), (2000, 3)])
def test_images_of_odd_shapes(height: int, width: int) -> None:
    masks = np.random.default_rng(0).uniform(0, 1, (3, 9, 9)).astype(np.float32)
    boxes = np.float32([(0, 0, width, height), (-5, -5, 60, 60), (0.2, 0.1, 0.9, 0.7)])
    portable, native = both(masks, boxes, height=height, width=width)
    assert native == portable


def test_no_objects() -> None:
    assert both(np.zeros((0, 28, 28), np.float32), np.zeros((0, 4), np.float32)) == ([], [])


def test_long_strings_get_a_larger_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = np.random.default_rng(0).uniform(0, 1, (3, 112, 112)).astype(np.float32)
    boxes = np.float32([(0, 0, WIDTH, HEIGHT)] * 3)
    wanted = encode_masks(masks, boxes, height=HEIGHT, width=WIDTH)
    length = sum(len(rle["counts"]) + 1 for rle in wanted)
    for characters in (0, 1, (length - 1) // 3, length):
        monkeypatch.setattr(paste, "_CHARACTERS", characters)
        assert encode_masks(masks, boxes, height=HEIGHT, width=WIDTH) == wanted


def test_views_and_other_dtypes() -> None:
    rng = np.random.default_rng(0)
    masks, boxes = rng.uniform(0, 1, (5, 14, 14)), random_boxes(rng, 5).astype(np.float64)
    wanted = encode_masks(masks.astype(np.float32), boxes.astype(np.float32), height=HEIGHT, width=WIDTH)
    transposed = np.ascontiguousarray(masks.transpose(0, 2, 1)).transpose(0, 2, 1)
    assert encode_masks(transposed, boxes, height=HEIGHT, width=WIDTH) == wanted


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="boxes"):
        encode_masks(np.zeros((2, 7, 7), np.float32), np.zeros((3, 4), np.float32), height=5, width=5)
    with pytest.raises(ValueError, match="masks"):
        encode_masks(np.zeros((2, 7, 8), np.float32), np.zeros((2, 4), np.float32), height=5, width=5)


def test_results_do_not_depend_on_threads(set_threads: Callable[[int], None]) -> None:
    rng = np.random.default_rng(0)
    masks, boxes = rng.uniform(0, 1, (40, 14, 14)).astype(np.float32), random_boxes(rng, 40)
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        results.append(encode_masks(masks, boxes, height=HEIGHT, width=WIDTH))
    assert all(a == b for a, b in pairwise(results))
