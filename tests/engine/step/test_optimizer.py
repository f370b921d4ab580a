"""SGD and AdamW against PyTorch's formulas in numpy."""

import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from mindrcnn.engine.step.optimizer import build_adam, build_adamw, build_sgd
from mindrcnn.engine.step.param_groups import GroupRule
from mindrcnn.errors import InputError

RATES = np.array([0.5, 0.1, 0.2], np.float32)
GRADIENTS = [np.array([1.0, -2.0, 3.0], np.float32) * (step + 1) for step in range(3)]
START = np.array([1.0, 2.0, 3.0], np.float32)


def update(optimizer: nn.Optimizer, gradient: np.ndarray) -> None:
    """Updates all parameters with this gradient, handed over as a half of its double."""
    optimizer((Tensor(2 * gradient),) * len(optimizer.parameters), Tensor(0.5))


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
def test_sgd_equals_pytorch(
    mode: str, operators: None, momentum: float, nesterov: bool, decay_norm_and_bias: bool
) -> None:
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
        update(optimizer, gradient)
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


def adamw_reference(rate_factor: float, decay: float, betas: tuple[float, float], eps: float) -> np.ndarray:
    """torch.optim.AdamW, in float64."""
    weight, first, second = START.astype(np.float64), np.zeros(3), np.zeros(3)
    for number, (rate, gradient) in enumerate(zip(RATES * rate_factor, GRADIENTS, strict=True), start=1):
        weight = weight * (1 - rate * decay)
        first = betas[0] * first + (1 - betas[0]) * gradient
        second = betas[1] * second + (1 - betas[1]) * gradient.astype(np.float64) ** 2
        mean, mean_square = first / (1 - betas[0] ** number), second / (1 - betas[1] ** number)
        weight = weight - rate * mean / (np.sqrt(mean_square) + eps)
    return weight


@pytest.mark.parametrize("eps", [1e-8, 0.5])  # the second shows at which place it is added
@pytest.mark.parametrize("lr_factor", [1.0, 0.1])
def test_adamw_equals_pytorch(mode: str, eps: float, lr_factor: float) -> None:
    betas = (0.9, 0.999)
    weight = Parameter(Tensor(START), name="conv.weight")
    bias = Parameter(Tensor(START), name="conv.bias")
    slow = Parameter(Tensor(START), name="backbone.weight")
    optimizer = build_adamw(
        parameters=(bias, slow, weight),
        learning_rates=RATES,
        betas=betas,
        eps=eps,
        weight_decay=0.2,
        decay_norm_and_bias=False,
        rules=(GroupRule("backbone", lr_factor, 0.5),),
    )
    for gradient in GRADIENTS:
        update(optimizer, gradient)
    np.testing.assert_allclose(weight.asnumpy(), adamw_reference(1.0, 0.2, betas, eps), rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(bias.asnumpy(), adamw_reference(1.0, 0.0, betas, eps), rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(slow.asnumpy(), adamw_reference(lr_factor, 0.1, betas, eps), rtol=1e-5, atol=2e-6)
    assert optimizer.global_step.asnumpy() == [3]


def test_sgd_with_a_learning_rate_of_its_own(mode: str, operators: None) -> None:
    fast, slow = Parameter(Tensor(START), name="head.weight"), Parameter(Tensor(START), name="backbone.weight")
    optimizer = build_sgd(
        parameters=(slow, fast),
        learning_rates=RATES,
        momentum=0.9,
        nesterov=False,
        weight_decay=0.1,
        decay_norm_and_bias=False,
        rules=(GroupRule("backbone", 0.0, 1.0),),
    )
    for gradient in GRADIENTS:
        update(optimizer, gradient)
    np.testing.assert_array_equal(slow.asnumpy(), START)
    np.testing.assert_allclose(fast.asnumpy(), reference(0.9, False, 0.1), rtol=1e-5)


def test_adam_equals_pytorch(mode: str) -> None:
    """torch.optim.Adam with weight_decay, in float64."""
    decay, betas, eps = 0.1, (0.9, 0.999), 1e-3
    parameter = Parameter(Tensor(START), name="conv.weight")
    optimizer = build_adam(
        parameters=(parameter,),
        learning_rates=RATES,
        betas=betas,
        eps=eps,
        weight_decay=decay,
        decay_norm_and_bias=False,
    )
    weight, first, second = START.astype(np.float64), np.zeros(3), np.zeros(3)
    for number, (rate, raw) in enumerate(zip(RATES, GRADIENTS, strict=True), start=1):
        update(optimizer, raw)
        gradient = raw + decay * weight
        first = betas[0] * first + (1 - betas[0]) * gradient
        second = betas[1] * second + (1 - betas[1]) * gradient**2
        mean, mean_square = first / (1 - betas[0] ** number), second / (1 - betas[1] ** number)
        weight = weight - rate * mean / (np.sqrt(mean_square) + eps)
    np.testing.assert_allclose(parameter.asnumpy(), weight, rtol=1e-5)
