"""Batch norm and the activation after it. Everything is float32."""

import math
from typing import Literal

from mindspore import Parameter, Tensor, ops

from mindrcnn.native.batch_norm import native_batch_norm
from mindrcnn.native.switch import in_use

Activation = Literal["relu", "relu6", "none"]

MOMENTUM = 0.1  # share of a batch in the moving statistics: 1 - momentum in MindSpore, momentum in PyTorch
UPPER_LIMITS = {"relu": math.inf, "relu6": 6.0, "none": math.inf}


def batch_norm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    moving_mean: Parameter,
    moving_variance: Parameter,
    *,
    training: bool,
    eps: float,
    activation: Activation,
) -> Tensor:
    """Returns activation(gamma * (x - mean) / sqrt(variance + eps) + beta), like x.

    x: (B, C, H, W).
    gamma: (C,).
    beta: (C,).
    moving_mean: (C,); in training it moves towards the mean of x over B, H, W.
    moving_variance: (C,); in training it moves towards the unbiased variance of x over B, H, W.
    training: takes mean and biased variance from x; otherwise the moving ones.
    eps: added to the variance.
    activation: relu, relu6 or none.
    """
    if training and in_use():
        return native_batch_norm(
            x,
            gamma,
            beta,
            moving_mean,
            moving_variance,
            eps=eps,
            momentum=MOMENTUM,
            relu=activation != "none",
            limit=UPPER_LIMITS[activation],
        )
    normalize = ops.BatchNorm(is_training=training, epsilon=eps, momentum=MOMENTUM)
    y = normalize(x, gamma, beta, moving_mean, moving_variance)[0]
    if activation == "relu6":
        return ops.relu6(y)
    return ops.relu(y) if activation == "relu" else y
