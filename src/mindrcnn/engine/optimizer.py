"""Stochastic gradient descent with momentum, PyTorch's formula."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindrcnn.engine.param_groups import split_by_decay
from mindrcnn.errors import InputError


def build_sgd(
    *,
    parameters: Sequence[Parameter],
    learning_rates: np.ndarray,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    decay_norm_and_bias: bool,
) -> nn.SGD:
    """v = momentum * v + (gradient + decay * weight); weight -= rate * v (Nesterov: gradient + momentum * v).

    learning_rates: float32, one per step. nn.SGD rather than nn.Momentum: only the first agrees with PyTorch under
    Nesterov momentum. Raises InputError for Nesterov momentum without momentum.
    """
    if nesterov and momentum <= 0:
        raise InputError(f"optimizer: nesterov wants momentum above 0, got {momentum}")
    optimizer = nn.SGD(
        _groups(parameters, weight_decay, decay_norm_and_bias),
        learning_rate=Tensor(np.asarray(learning_rates, np.float32)),
        momentum=float(momentum),
        nesterov=nesterov,
    )
    _decay_inside_the_update(optimizer, nesterov)
    return optimizer


def _decay_inside_the_update(optimizer: nn.SGD, nesterov: bool) -> None:
    """Lets each parameter's update add the decay, which nn.SGD does before, in two more passes over all of them."""
    dampening = 0.0
    optimizer.opt = tuple(ops.SGD(dampening, decay, nesterov) for decay in optimizer.group_weight_decay)
    optimizer.exec_weight_decay = False


def _groups(parameters: Sequence[Parameter], weight_decay: float, decay_norm_and_bias: bool) -> list[dict[str, Any]]:
    """Optimizer groups in MindSpore's form, which decays every member of a group whatever its name."""
    decayed, plain = (list(parameters), []) if decay_norm_and_bias else split_by_decay(parameters)
    groups: list[dict[str, Any]] = []
    if decayed:
        groups.append({"params": decayed, "weight_decay": float(weight_decay)})
    if plain:
        groups.append({"params": plain, "weight_decay": 0.0})
    return [*groups, {"order_params": list(parameters)}]
