"""Learning-rate lists against lists written by hand."""

import numpy as np
import pytest

from mindrcnn.engine.step.schedule import cosine, linear_warmup, multistep, scale_lr, to_steps


def assert_rates(actual: np.ndarray, expected: list[float]) -> None:
    assert actual.dtype == np.float32
    assert len(actual) == len(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("milestones", "expected"),
    [
        ((), [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),
        ((2,), [0.1, 0.1, 0.02, 0.02, 0.02, 0.02]),
        ((2, 5), [0.1, 0.1, 0.02, 0.02, 0.02, 0.004]),
        ((6, 9), [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),  # beyond the end
    ],
)
def test_multistep(milestones: tuple[int, ...], expected: list[float]) -> None:
    assert_rates(multistep(base_lr=0.1, total_steps=6, milestones=milestones, gamma=0.2), expected)


def test_cosine_falls_from_base_to_the_final_ratio() -> None:
    # cos at 0, 45, 90 and 135 degrees
    assert_rates(cosine(base_lr=2.0, total_steps=4), [2.0, 1 + 0.5**0.5, 1.0, 1 - 0.5**0.5])
    assert_rates(cosine(base_lr=1.0, total_steps=2, final_ratio=0.5), [1.0, 0.75])


@pytest.mark.parametrize(
    ("steps", "ratio", "expected"),
    [
        (4, 0.2, [0.2, 0.4, 0.6, 0.8, 1.0, 0.1]),
        (0, 0.2, [1.0, 1.0, 1.0, 1.0, 1.0, 0.1]),
        (1, 0.2, [0.2, 1.0, 1.0, 1.0, 1.0, 0.1]),
        (10, 0.0, [0.0, 0.1, 0.2, 0.3, 0.4, 0.05]),  # longer than the training
    ],
)
def test_warmup_multiplies_the_decay(steps: int, ratio: float, expected: list[float]) -> None:
    rates = multistep(base_lr=1.0, total_steps=6, milestones=(5,), gamma=0.1)
    assert_rates(linear_warmup(rates, steps=steps, ratio=ratio), expected)


def test_detectron2_1x_schedule() -> None:
    """90k iterations, steps 60k and 80k, warm-up 1000 from 0.001 at 0.02."""
    rates = multistep(base_lr=0.02, total_steps=90000, milestones=(60000, 80000), gamma=0.1)
    rates = linear_warmup(rates, steps=1000, ratio=0.001)
    chosen = rates[[0, 500, 1000, 59999, 60000, 79999, 80000, 89999]]
    assert_rates(chosen, [0.00002, 0.01001, 0.02, 0.02, 0.002, 0.002, 0.0002, 0.0002])


def test_units_and_scaling() -> None:
    assert to_steps(12, unit="epoch", steps_per_epoch=7) == 84
    assert to_steps(12, unit="iteration", steps_per_epoch=7) == 12
    assert scale_lr(0.02, global_batch=4, reference_batch=16) == pytest.approx(0.005)
