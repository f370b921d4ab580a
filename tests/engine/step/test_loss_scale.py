"""Loss scales: their changes, the gradients they accept, and their failure."""

import math

import pytest

from mindrcnn.engine.step.loss_scale import MAX_OVERFLOWS_IN_A_ROW, MAX_SCALE, LossScaler, NoLossScale
from mindrcnn.errors import InputError


def test_falls_at_an_overflow_and_rises_after_a_window(caplog: pytest.LogCaptureFixture) -> None:
    scaler = LossScaler(scale=64.0, factor=4.0, window=2)
    norms = [math.inf, 1.0, 1.0, 1.0, math.nan, 1.0, 1.0]
    accepted, scales = [], []
    for norm in norms:
        accepted.append(scaler.accepts(norm))
        scales.append(scaler.scale)
    assert accepted == [False, True, True, True, False, True, True]
    assert scales == [16, 16, 64, 64, 16, 16, 64]
    assert caplog.messages == [
        "step skipped: its gradients overflowed at loss scale 64; the scale is now 16 (1 skipped so far)",
        "step skipped: its gradients overflowed at loss scale 64; the scale is now 16 (2 skipped so far)",
    ]


def test_fixed_scale_stays_and_skips() -> None:
    scaler = LossScaler(scale=100.0, factor=1.0, window=0)
    assert [scaler.accepts(norm) for norm in (1.0, math.inf, 1.0)] == [True, False, True]
    assert (scaler.scale, scaler.skipped) == (100.0, 1)


@pytest.mark.parametrize(("start", "norm", "end"), [(2.0, math.inf, 1.0), (MAX_SCALE / 2, 1.0, MAX_SCALE)])
def test_scale_stays_within_its_bounds(start: float, norm: float, end: float) -> None:
    scaler = LossScaler(scale=start, factor=2.0, window=1)
    for _ in range(5):
        scaler.accepts(norm)
    assert scaler.scale == end


def test_gradients_that_never_are_finite_end_the_training() -> None:
    scaler = LossScaler(scale=4.0, factor=2.0, window=1)
    for _ in range(MAX_OVERFLOWS_IN_A_ROW - 1):
        scaler.accepts(math.nan)
    scaler.accepts(1.0)  # starts the count again
    for _ in range(MAX_OVERFLOWS_IN_A_ROW - 1):
        scaler.accepts(math.nan)
    with pytest.raises(InputError, match="steps in a row were not finite, the last at loss scale 1"):
        scaler.accepts(math.nan)


def test_state_round_trip() -> None:
    scaler = LossScaler(scale=64.0, factor=2.0, window=5)
    for norm in (1.0, math.inf, math.inf, 1.0, 1.0):
        scaler.accepts(norm)
    other = LossScaler(scale=1024.0, factor=2.0, window=5)
    other.restore(scaler.state())
    assert other.state() == scaler.state() == {"scale": 16, "good_steps": 2, "skipped": 2, "overflows_in_a_row": 0}
    other.restore({})
    assert other.state() == scaler.state()
    fixed = LossScaler(scale=8.0, factor=1.0, window=0)
    fixed.restore(scaler.state())
    assert (fixed.scale, fixed.skipped) == (8.0, 2)


def test_without_a_scale_every_step_is_carried_out() -> None:
    none = NoLossScale()
    assert none.accepts(math.nan)
    assert (none.scale, none.state()) == (1.0, {})
