"""The batch norm kernels as MindSpore operators.

Their settings (4,) float32: epsilon, share of the batch in the moving statistics, ReLU (0 or 1), its upper limit.
"""

import mindspore as ms
from mindspore import Parameter, Tensor, ops

from mindrcnn.native.library import library
from mindrcnn.native.settings import as_settings

Shape = tuple[int, ...]


class _BatchNorm(ops.Custom):
    """Called with x (B, C, H, W), gamma, beta, moving mean and variance (C,), and settings.

    Returns y like x, and the batch's mean and inverse standard deviation (C,). Changes the moving statistics in place,
    of which the graph's compiler does not know: nothing else in a training graph reads them before the update.
    """

    def __init__(self) -> None:
        def out_shape(
            x: Shape, gamma: Shape, beta: Shape, mean: Shape, variance: Shape, settings: Shape
        ) -> tuple[Shape, Shape, Shape]:
            return x, gamma, gamma

        def bprop(x, gamma, beta, mean, variance, settings, out, dout):  # type: ignore[no-untyped-def]
            gradient = _BatchNormGradient((x.shape, gamma.shape, beta.shape))
            gradients = gradient(x, dout[0], gamma, beta, out[1], out[2], settings)
            return (*gradients, ops.zeros_like(mean), ops.zeros_like(variance), ops.zeros_like(settings))

        super().__init__(f"{library()}:batch_norm_forward", out_shape, (ms.float32,) * 3, "aot", bprop)


class _BatchNormGradient(ops.Custom):
    """Called with x, the output's gradient, gamma, beta, the batch's mean and inverse deviation, and settings."""

    def __init__(self, shapes: tuple[Shape, Shape, Shape]) -> None:
        super().__init__(f"{library()}:batch_norm_backward", shapes, (ms.float32,) * 3, "aot")
        self.add_prim_attr("shapes", shapes)  # the reason is in roi_align.py


def native_batch_norm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    moving_mean: Parameter,
    moving_variance: Parameter,
    *,
    eps: float,
    momentum: float,
    relu: bool,
    limit: float,
) -> Tensor:
    """Computes ops.batch_norm.batch_norm. limit: the upper limit of the ReLU, infinite for none."""
    settings = as_settings((eps, momentum, relu, limit))
    return _BatchNorm()(x, gamma, beta, moving_mean, moving_variance, settings)[0]
