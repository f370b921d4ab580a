"""SGD against PyTorch's formula in numpy."""

import numpy as np
import pytest
from mindspore import Parameter, Tensor

from mindrcnn.engine.optimizer import build_sgd
from mindrcnn.errors import InputError

RATES = np.array([0.5, 0.1, 0.2], np.float32)
GRADIENTS = [np.array([1.0, -2.0, 3.0], np.float32) * (step + 1) for step in range(3)]
START = np.array([1.0, 2.0, 3.0], np.float32)


def reference(momentum: float, nesterov: bool, decay: float) -> np.ndarray:
    """torch.optim.SGD, dampening 0."""
    weight, velocity = START.astype(np.float64), np.zeros(3)
    for rate, raw in zip(RATES, GRADIENTS, strict=True):
        gradient = raw + decay * weight
        velocity = momentum * velocity + gradient
        weight = weight - rate * (gradient + momentum * velocity if nesterov else velocity)
    return weight


@pytest.mark.parametrize("decay_norm_and_bias", [False, True])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, False), (0.9, True), (0.0, False)])
def test_sgd_equals_pytorch(momentum: float, nesterov: bool, decay_norm_and_bias: bool) -> None:
    weight = Parameter(Tensor(START), name="conv.weight")
    bias = Parameter(Tensor(START), name="conv.bias")
    optimizer = build_sgd(
        parameters=(bias, weight),
        learning_rates=RATES,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=0.1,
        decay_norm_and_bias=decay_norm_and_bias,
    )
    assert [parameter.name for parameter in optimizer.parameters] == ["conv.bias", "conv.weight"]
    for gradient in GRADIENTS:
        optimizer((Tensor(gradient), Tensor(gradient)))
    np.testing.assert_allclose(weight.asnumpy(), reference(momentum, nesterov, 0.1), rtol=1e-5)
    bias_decay = 0.1 if decay_norm_and_bias else 0.0
    np.testing.assert_allclose(bias.asnumpy(), reference(momentum, nesterov, bias_decay), rtol=1e-5)


def test_nesterov_without_momentum_is_an_error() -> None:
    with pytest.raises(InputError, match="nesterov"):
        build_sgd(
            parameters=(Parameter(Tensor(START), name="weight"),),
            learning_rates=RATES,
            momentum=0.0,
            nesterov=True,
            weight_decay=0.0,
            decay_norm_and_bias=False,
        )
