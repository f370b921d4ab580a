"""Batch to tensors, and sampler noise."""

from types import SimpleNamespace

import numpy as np

from mindrcnn.engine.step.feed import BatchFeed, uniform_noise

SHAPES = ((2, 5000), (2, 300))
FIELDS = {
    "images": np.arange(2 * 3 * 4 * 6, dtype=np.uint8).reshape(2, 3, 4, 6),
    "image_sizes": np.array([[4, 6], [3, 5]], np.int32),
    "gt_boxes": np.arange(2 * 5 * 4, dtype=np.float32).reshape(2, 5, 4),
    "gt_labels": np.arange(10, dtype=np.int32).reshape(2, 5),
    "gt_valid": np.arange(10).reshape(2, 5) % 2 == 0,
    "gt_crowd": np.arange(10).reshape(2, 5) % 3 == 0,
    "gt_masks": np.ones((2, 5, 7, 7), np.uint8),
}


def noise_shapes(batch: int, height: int, width: int, slots: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (batch, height * 100 + width), (batch, slots)


def test_order_values_and_noise() -> None:
    fields = {name: np.asfortranarray(value) for name, value in FIELDS.items()}  # not contiguous
    tensors = BatchFeed(noise_shapes=noise_shapes, seed=5)(SimpleNamespace(**fields), 9)
    assert len(tensors) == len(FIELDS) + 2
    for tensor, (name, value) in zip(tensors, FIELDS.items(), strict=False):
        assert tensor.asnumpy().dtype == value.dtype, name
        np.testing.assert_array_equal(tensor.asnumpy(), value, err_msg=name)
    expected = uniform_noise(((2, 406), (2, 5)), seed=5, step=9)
    for tensor, value in zip(tensors[-2:], expected, strict=True):
        np.testing.assert_array_equal(tensor.asnumpy(), value)


def test_an_image_gets_the_same_noise_in_any_division() -> None:
    whole = BatchFeed(noise_shapes=noise_shapes, seed=5)(SimpleNamespace(**FIELDS), 9)
    for rank in range(2):
        own = SimpleNamespace(**{name: value[rank : rank + 1] for name, value in FIELDS.items()})
        share = BatchFeed(noise_shapes=noise_shapes, seed=5, rank=rank, world_size=2)(own, 9)
        for tensor, of_all in zip(share, whole, strict=True):
            np.testing.assert_array_equal(tensor.asnumpy(), of_all.asnumpy()[rank : rank + 1])


def test_shape_type_range_and_spread() -> None:
    first, second = uniform_noise(SHAPES, seed=3, step=7)
    assert (first.shape, second.shape) == SHAPES
    assert first.dtype == second.dtype == np.float32
    assert first.min() >= 0
    assert first.max() < 1
    assert abs(first.mean() - 0.5) < 0.02
    assert len(np.unique(first)) > 9000


def test_a_function_of_seed_and_step_alone() -> None:
    first = uniform_noise(SHAPES, seed=3, step=7)
    uniform_noise(SHAPES, seed=3, step=8)
    again = uniform_noise(SHAPES, seed=3, step=7)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for seed, step in ((3, 8), (4, 7), (7, 3)):
        other = uniform_noise(SHAPES, seed=seed, step=step)
        assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_two_arrays_differ() -> None:
    first, second = uniform_noise(((2, 300), (2, 300)), seed=0, step=0)
    assert not np.array_equal(first, second)
