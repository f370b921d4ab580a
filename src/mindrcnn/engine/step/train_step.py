"""An optimization step: forward, backward, gradient clipping, update.

A step over several batches or with a loss scale (accumulation.py) is made of the same parts.
"""

from collections.abc import Callable, Sequence

import mindspore as ms
import mindspore.ops as ops
from mindspore import Parameter, Tensor, nn

from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.engine.step.gradients import Gradients, global_norm
from mindrcnn.graphs.cell import CompiledCell

# Added to the norm before the division, as in torch.nn.utils.clip_grad_norm_.
CLIP_EPSILON = 1e-6

ReduceGradients = Callable[[Gradients], Gradients]


def identity(gradients: Gradients) -> Gradients:
    """Returns the gradients as they are: a single device has nothing to reduce."""
    return gradients


class GradientFunction(CompiledCell):
    """The losses of a batch and the gradients of their sum.

    network: a cell whose call with a batch returns a tuple of scalar losses.
    parameters: those to differentiate with respect to.
    """

    def __init__(self, *, network: nn.Cell, parameters: Sequence[Parameter]) -> None:
        super().__init__(auto_prefix=False)  # keeps the parameters' names, which are those in checkpoints
        self.network = network
        self.value_and_grad = ops.value_and_grad(self._total, None, parameters, has_aux=True)

    def _total(self, factor: Tensor, *batch: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses = self.network(*batch)
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        return total * factor, losses

    def construct(self, factor: Tensor, *batch: Tensor) -> tuple[tuple[Tensor, ...], Gradients]:
        """Returns the losses in the network's order and the gradients of `factor`, a scalar, times their sum."""
        (_, losses), gradients = self.value_and_grad(factor, *batch)
        return losses, gradients


class Update(nn.Cell):
    """Gradient clipping, the update of the parameters, and then that of their average.

    clip_norm: largest global L2 norm of the gradients, which are scaled down to it; 0 does not clip.
    """

    def __init__(
        self, *, optimizer: nn.Optimizer, clip_norm: float = 0.0, average: ParameterAverage | None = None
    ) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer
        self.clip_norm = clip_norm
        self.average = average
        self.one = Tensor(1.0, ms.float32)

    def construct(self, norm: Tensor, *gradients: Tensor) -> Tensor:
        """Updates by gradients in the order of the optimizer's parameters; returns `norm`, their global norm."""
        factor = self.one
        if self.clip_norm > 0:
            factor = ops.clamp(self.clip_norm / (norm + CLIP_EPSILON), max=1.0)
        done = self.optimizer(gradients, factor)
        if self.average is not None:
            done = (done, self.average(self.optimizer.global_step))
        return ops.depend(norm, done)


class TrainStep(CompiledCell):
    """A step that is called with a batch, updates the parameters once and returns the losses.

    The optimizer runs inside this Cell: on a CPU that is a third faster than inside a compiled function.

    network: a cell whose call with a batch returns a tuple of scalar losses; their sum is minimised.
    optimizer: updates its own parameters, the ones differentiated.
    clip_norm: largest global L2 norm of the gradients; 0 does not clip.
    average: moved after each update, if given.
    reduce_gradients: called once with the complete gradients, before their norm is taken; several devices average
        theirs in it.
    """

    def __init__(
        self,
        *,
        network: nn.Cell,
        optimizer: nn.Optimizer,
        clip_norm: float = 0.0,
        average: ParameterAverage | None = None,
        reduce_gradients: ReduceGradients = identity,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.gradients = GradientFunction(network=network, parameters=optimizer.parameters)
        self.reduce_gradients = reduce_gradients
        self.update = Update(optimizer=optimizer, clip_norm=clip_norm, average=average)
        self.one = Tensor(1.0, ms.float32)
        self.set_train()

    def construct(self, *batch: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Returns the losses in the network's order and the gradient norm before clipping, all scalars."""
        losses, gradients = self.gradients(self.one, *batch)
        gradients = self.reduce_gradients(gradients)
        norm = global_norm(gradients)
        updated = self.update(norm, *gradients)
        return ops.depend(losses, updated), norm
