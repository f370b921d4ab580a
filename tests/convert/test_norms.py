"""Norms of libraries that add something else to the variances."""

import numpy as np
import pytest

from mindrcnn.convert.mapping import refold_norms
from mindrcnn.errors import InputError
from mindrcnn.models.layers import NORM_EPS


@pytest.mark.parametrize("eps", [0.0, 1e-3])
def test_the_scale_makes_up_for_another_epsilon(eps: float) -> None:
    gamma, variance = np.array([1.0, 2.0, -3.0], np.float32), np.array([1e-6, 1e-2, 4.0], np.float32)
    values = {"a.gamma": gamma, "a.moving_variance": variance, "a.beta": gamma}
    (changed,) = refold_norms(values, eps).items()
    assert changed[0] == "a.gamma"
    assert changed[1].dtype == np.float32
    theirs = gamma / np.sqrt(variance.astype(np.float64) + eps)
    np.testing.assert_allclose(changed[1] / np.sqrt(variance.astype(np.float64) + NORM_EPS), theirs, rtol=1e-6)


def test_a_variance_of_zero_with_an_epsilon_of_zero() -> None:
    values = {"a.gamma": np.ones(2, np.float32), "a.moving_variance": np.array([1, 0], np.float32)}
    with pytest.raises(InputError, match=r"a\.moving_variance: wanted variances above 0 with an epsilon of 0, got 0"):
        refold_norms(values, 0.0)
