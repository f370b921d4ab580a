"""The norm of gradients, and their scaling."""

from mindspore import Tensor, ops

from mindrcnn.native.optimizer import native_norm
from mindrcnn.native.switch import in_use

Gradients = tuple[Tensor, ...]

_squared_norm = ops.MultitypeFuncGraph("squared_norm")
_scaled = ops.MultitypeFuncGraph("scaled")
_map = ops.HyperMap()


@_squared_norm.register("Tensor")
def _squared_norm_of_one(gradient: Tensor) -> Tensor:
    # Row by row: summing 12.8 million squares at once takes 136 ms on a CPU, this takes 23 ms and is as accurate.
    # ops.L2Loss is as fast, but accumulates in float32 one by one and is off by 2 % at that size.
    return ops.square(gradient.reshape(gradient.shape[0], -1)).sum(1).sum()


@_scaled.register("Tensor", "Tensor")
def _scaled_one(factor: Tensor, gradient: Tensor) -> Tensor:
    return gradient * factor


def global_norm(gradients: Gradients) -> Tensor:
    """Returns the L2 norm over all elements of all gradients, each of at least one dimension, as a scalar."""
    if in_use():
        return native_norm(gradients)
    return ops.sqrt(ops.addn(_map(_squared_norm, gradients)))


def scale_gradients(gradients: Gradients, factor: Tensor) -> Gradients:
    """Multiplies every gradient by a scalar."""
    return _map(ops.partial(_scaled, factor), gradients)
