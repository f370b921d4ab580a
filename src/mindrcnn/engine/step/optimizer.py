"""SGD with momentum, Adam and AdamW, with PyTorch's formulas."""

import math
from collections.abc import Sequence
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindrcnn.engine.step.gradients import scale_gradients
from mindrcnn.engine.step.param_groups import GroupRule, group_parameters
from mindrcnn.errors import InputError
from mindrcnn.native.optimizer import native_sgd
from mindrcnn.native.switch import in_use

_sgd = ops.MultitypeFuncGraph("sgd")
_adam = ops.MultitypeFuncGraph("adam")
_adamw = ops.MultitypeFuncGraph("adamw")


def build_sgd(
    *,
    parameters: Sequence[Parameter],
    learning_rates: np.ndarray,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    decay_norm_and_bias: bool,
    rules: Sequence[GroupRule] = (),
) -> "SGD":
    """Builds the optimizer v = momentum * v + gradient + decay * weight; weight -= rate * v.

    With Nesterov momentum, weight -= rate * (gradient + decay * weight + momentum * v). It is based on ops.SGD rather
    than on ops.ApplyMomentum, which disagrees with PyTorch under Nesterov momentum.

    parameters: those to train.
    learning_rates: (total_steps,) float32, one per step.
    momentum: weight of the previous update.
    nesterov: Nesterov momentum instead of the classical one.
    weight_decay: L2 penalty, added to the gradient.
    decay_norm_and_bias: also applies the decay to biases and norm parameters.
    rules: factors for parameters with other rates or decays.
    Raises InputError for Nesterov momentum without momentum.
    """
    if nesterov and momentum <= 0:
        raise InputError(f"optimizer: nesterov: wanted a momentum above 0, got {momentum}")
    groups = _groups(parameters, learning_rates, weight_decay, decay_norm_and_bias, rules)
    return SGD(groups, learning_rates=learning_rates, momentum=momentum, nesterov=nesterov)


class SGD(nn.Optimizer):
    """The equivalent of torch.optim.SGD without dampening; its state has the names that nn.SGD uses.

    nn.SGD keeps a third copy of all parameters, `stat`, which marks momentum that is still to be initialised. Starting
    from zeros and without dampening, the formula needs no mark. Weight decay is part of each group's update, because
    nn.SGD's takes two more passes over all parameters. groups: in MindSpore's form.
    """

    def __init__(
        self, groups: list[dict[str, Any]], *, learning_rates: np.ndarray, momentum: float, nesterov: bool
    ) -> None:
        super().__init__(_as_tensor(learning_rates), groups)
        self.momentum = Parameter(Tensor(momentum, ms.float32), name="momentum")
        self.accum = self._parameters.clone(prefix="accum", init="zeros")
        dampening = 0.0
        self.decays = tuple(self.group_weight_decay)
        self.nesterov = nesterov
        self.updates = tuple(ops.SGD(dampening, decay, nesterov) for decay in self.decays)

    def construct(self, gradients: tuple[Tensor, ...], factor: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Updates the parameters with their gradients, in the same order, times `factor`, a scalar."""
        rates = self.get_lr()
        if not self.is_group_lr:
            rates = (rates,) * self.param_length
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        if in_use():
            return native_sgd(
                self._parameters,
                self.accum,
                gradients,
                rates,
                momentum=self.momentum,
                factor=factor,
                decays=self.decays,
                nesterov=self.nesterov,
            )
        update = ops.partial(_sgd, self.momentum, factor)
        return self.hyper_map_reverse(update, self.updates, rates, self._parameters, self.accum, gradients)


@_sgd.register("Tensor", "Tensor", "Function", "Tensor", "Tensor", "Tensor", "Tensor")
def _sgd_one(
    momentum: Tensor, factor: Tensor, update: Any, rate: Tensor, weight: Parameter, accum: Parameter, unscaled: Tensor
) -> Tensor:
    gradient = unscaled * factor
    filled = gradient - gradient  # ops.zeros_like would become a constant of the graph and stay in memory
    return ops.depend(gradient, update(weight, gradient, rate, accum, momentum, filled))


def build_adamw(
    *,
    parameters: Sequence[Parameter],
    learning_rates: np.ndarray,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decay_norm_and_bias: bool,
    rules: Sequence[GroupRule] = (),
) -> "Adam":
    """Builds AdamW: weight *= 1 - rate * decay at each step (Loshchilov and Hutter, 2019).

    parameters: those to train.
    learning_rates: (total_steps,) float32, one per step.
    betas: decays of the moving averages of gradient and squared gradient.
    eps: added to the root, above 0.
    weight_decay: decoupled decay per unit of learning rate.
    decay_norm_and_bias: also applies the decay to biases and norm parameters.
    rules: factors for parameters with other rates or decays.
    """
    groups = _groups(parameters, learning_rates, weight_decay, decay_norm_and_bias, rules)
    return Adam(groups, update_one=_adamw, learning_rates=learning_rates, betas=betas, eps=eps)


def build_adam(
    *,
    parameters: Sequence[Parameter],
    learning_rates: np.ndarray,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decay_norm_and_bias: bool,
    rules: Sequence[GroupRule] = (),
) -> "Adam":
    """Builds Adam with an L2 penalty: decay * weight is added to the gradient. See build_adamw for the parameters."""
    groups = _groups(parameters, learning_rates, weight_decay, decay_norm_and_bias, rules)
    return Adam(groups, update_one=_adam, learning_rates=learning_rates, betas=betas, eps=eps)


class Adam(nn.Optimizer):
    """The equivalent of torch.optim.Adam or AdamW.

    weight -= rate * m' / (sqrt(v') + eps), where m' and v' are the moving averages of gradient and squared gradient,
    divided by the sum of their weights so far. MindSpore's AdamWeightDecay lacks this division.

    groups: in MindSpore's form.
    update_one: updates one parameter, with its weight decay.
    learning_rates: (total_steps,) float32, one per step.
    betas: decays of the moving averages.
    eps: added to the root, above 0.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        *,
        update_one: Any,
        learning_rates: np.ndarray,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        super().__init__(_as_tensor(learning_rates), groups)
        self.moment1 = self._parameters.clone(prefix="moment1", init="zeros")
        self.moment2 = self._parameters.clone(prefix="moment2", init="zeros")
        # Not the step count, which advances at skipped steps too.
        self.updates = Parameter(Tensor(0.0, ms.float32), name="updates", requires_grad=False)
        self.beta1, self.beta2, self.eps = (Tensor(value, ms.float32) for value in (*betas, eps))
        # From the betas in the kernel's float32: with more digits of 0.999, 1 - beta would be off by 5e-5 of its value.
        self.log_beta1, self.log_beta2 = (Tensor(math.log(float(np.float32(beta))), ms.float32) for beta in betas)
        self.one, self.zero = Tensor(1.0, ms.float32), Tensor(0.0, ms.float32)
        self.adam = ops.Adam()
        self.update_one = update_one

    def construct(self, gradients: tuple[Tensor, ...], factor: Tensor) -> tuple[Tensor, ...]:
        """Updates the parameters with their gradients, in the same order, times `factor`, a scalar."""
        rates = self.get_lr()
        if not self.is_group_lr:
            rates = (rates,) * self.param_length
        self.assignadd(self.global_step, self.global_step_increase_tensor)
        updates = ops.assign_add(self.updates, self.one)
        weight1, weight2 = -ops.expm1(updates * self.log_beta1), -ops.expm1(updates * self.log_beta2)
        root2 = ops.sqrt(weight2)
        # Powers of 0 switch off the kernel's bias correction: its 1 - 0.999**n, from float32 powers, has few digits.
        update = ops.partial(
            self.update_one, self.adam, self.zero, self.beta1, self.beta2, self.eps * root2, root2 / weight1
        )
        scaled = scale_gradients(gradients, factor)
        return self.hyper_map_reverse(
            update, rates, self.weight_decay, self._parameters, self.moment1, self.moment2, scaled
        )


@_adamw.register(
    "Function", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor",
    "Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor",
)  # fmt: skip
def _adamw_one(
    adam: Any,
    zero: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    correction: Tensor,
    rate: Tensor,
    decay: Tensor,
    weight: Parameter,
    moment1: Parameter,
    moment2: Parameter,
    gradient: Tensor,
) -> Tensor:
    decayed = ops.assign(weight, weight * (1 - rate * decay))
    done = adam(weight, moment1, moment2, zero, zero, rate * correction, beta1, beta2, eps, gradient)
    return ops.depend(ops.depend(gradient, decayed), done)


@_adam.register(
    "Function", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor",
    "Tensor", "Tensor", "Tensor", "Tensor", "Tensor", "Tensor",
)  # fmt: skip
def _adam_one(
    adam: Any,
    zero: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    correction: Tensor,
    rate: Tensor,
    decay: Tensor,
    weight: Parameter,
    moment1: Parameter,
    moment2: Parameter,
    gradient: Tensor,
) -> Tensor:
    penalised = gradient + decay * weight
    return ops.depend(
        gradient, adam(weight, moment1, moment2, zero, zero, rate * correction, beta1, beta2, eps, penalised)
    )


def _groups(
    parameters: Sequence[Parameter],
    learning_rates: np.ndarray,
    weight_decay: float,
    decay_norm_and_bias: bool,
    rules: Sequence[GroupRule],
) -> list[dict[str, Any]]:
    """Returns groups in MindSpore's form, in which all members of a group have the same decay."""
    groups = group_parameters(
        parameters, weight_decay=weight_decay, decay_norm_and_bias=decay_norm_and_bias, rules=rules
    )
    return [
        *(
            {
                "params": list(group.parameters),
                "weight_decay": group.weight_decay,
                **_group_rate(group.lr_factor, learning_rates),
            }
            for group in groups
        ),
        {"order_params": list(parameters)},
    ]


def _group_rate(factor: float, learning_rates: np.ndarray) -> dict[str, Tensor]:
    """Returns no entry for a factor of 1: with rates by group, MindSpore reads one rate per parameter."""
    return {} if factor == 1 else {"lr": _as_tensor(learning_rates * factor)}


def _as_tensor(learning_rates: np.ndarray) -> Tensor:
    return Tensor(np.asarray(learning_rates, np.float32))
