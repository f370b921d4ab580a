"""The optimizer's kernels as MindSpore operators."""

import mindspore as ms
from mindspore import Parameter, Tensor, ops

from mindrcnn.native.library import library
from mindrcnn.native.settings import as_settings


class _GradientNorm(ops.Custom):
    """Called with gradients of any shape; returns their norm (1,)."""

    def __init__(self) -> None:
        super().__init__(f"{library()}:gradient_norm", (1,), ms.float32, "aot")


class _SgdUpdate(ops.Custom):
    """Called with P weights, P sums of momentum, P gradients, P learning rates, then momentum, factor, decays and
    settings; changes weights and sums in place and returns (1,), 0.

    The graph's compiler does not know of the changes. It has to compute all gradients first, for which it needs the old
    weights; whatever reads the new ones must depend on the result.
    """

    def __init__(self) -> None:
        super().__init__(f"{library()}:sgd_update", (1,), ms.float32, "aot")


def native_norm(gradients: tuple[Tensor, ...]) -> Tensor:
    """Computes engine.step.train_step.global_norm."""
    return _GradientNorm()(*gradients).reshape(())


def native_sgd(
    weights: tuple[Parameter, ...],
    accums: tuple[Parameter, ...],
    gradients: tuple[Tensor, ...],
    rates: tuple[Tensor, ...],
    *,
    momentum: Tensor,
    factor: Tensor,
    decays: tuple[float, ...],
    nesterov: bool,
) -> Tensor:
    """Updates as engine.step.optimizer.SGD; returns what everything that reads the new weights must depend on."""
    others = (momentum, factor, as_settings(decays), as_settings((nesterov,)))
    return _SgdUpdate()(*weights, *accums, *gradients, *rates, *others)
