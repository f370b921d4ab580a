"""Initial values: the spread that each rule promises, and the seed."""

import mindspore as ms
import numpy as np
import pytest
from mindspore.common.initializer import Initializer, initializer

from mindrcnn.models.layers import msra_normal, msra_normal_fan_in, xavier_fill

SHAPE = (128, 48, 3, 3)
FAN_OUT = 128 * 9
FAN_IN = 48 * 9


def draw(init: Initializer) -> np.ndarray:
    return initializer(init, SHAPE, ms.float32).init_data().asnumpy()


@pytest.mark.parametrize(
    ("init", "std"),
    [(msra_normal, (2 / FAN_OUT) ** 0.5), (msra_normal_fan_in, (2 / FAN_IN) ** 0.5), (xavier_fill, FAN_IN**-0.5)],
)
def test_spread(init, std):
    values = draw(init())
    assert values.std() == pytest.approx(std, rel=0.02)
    assert abs(values.mean()) < 0.02 * std


def test_xavier_fill_is_uniform():
    values = draw(xavier_fill())
    bound = (3 / FAN_IN) ** 0.5
    assert 0.99 * bound < np.abs(values).max() <= bound
    assert np.mean(np.abs(values) < bound / 2) == pytest.approx(0.5, abs=0.01)


def test_draws_follow_the_seed():
    ms.set_seed(7)
    first, second = draw(msra_normal()), draw(msra_normal())
    ms.set_seed(7)
    again = draw(msra_normal())
    ms.set_seed(8)
    other = draw(msra_normal())
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)  # two layers of one shape must not start equal
    assert not np.array_equal(first, other)
