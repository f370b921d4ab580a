"""Groups of trained parameters by learning rate and weight decay, and frozen parameters."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from mindspore import Parameter, nn

from mindrcnn.errors import InputError

# Last part of the names of biases, and of the scale and offset of normalisation layers.
NORM_AND_BIAS = frozenset({"bias", "beta", "gamma"})
SUGGESTIONS = 5


def freeze(network: nn.Cell, prefixes: Sequence[str]) -> tuple[str, ...]:
    """Freezes every parameter whose name starts with one of `prefixes`, and returns their names.

    Raises InputError, which names the nearest prefixes, for a prefix that no parameter has.
    """
    parameters = {parameter.name: parameter for parameter in network.get_parameters()}
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in parameters):
            raise InputError(
                f"freeze: no parameter name starts with {prefix!r}; nearest: {', '.join(_nearest(prefix, parameters))}"
            )
    frozen = tuple(name for name in parameters if name.startswith(tuple(prefixes)))
    for name in frozen:
        parameters[name].requires_grad = False
    return frozen


def trainable_parameters(network: nn.Cell) -> tuple[Parameter, ...]:
    """Returns the parameters that are not frozen. Raises InputError if there are none."""
    parameters = tuple(network.trainable_params())
    if not parameters:
        raise InputError("freeze: wanted at least one parameter that is not frozen, got none")
    return parameters


@dataclass(frozen=True)
class GroupRule:
    """Factors on learning rate and weight decay of the parameters whose names start with `match`."""

    match: str
    lr_factor: float
    decay_factor: float


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a factor on the learning rate, and a weight decay."""

    parameters: tuple[Parameter, ...]
    lr_factor: float
    weight_decay: float


def group_parameters(
    parameters: Sequence[Parameter], *, weight_decay: float, decay_norm_and_bias: bool, rules: Sequence[GroupRule]
) -> list[ParameterGroup]:
    """Groups the parameters; each follows the first rule that matches its name, if any.

    decay_norm_and_bias: False exempts biases and norm parameters from weight decay, whatever the rules say.
    Raises InputError for a rule that no parameter follows.
    """
    members: dict[tuple[float, float], list[Parameter]] = {}
    followed = set()
    for parameter in parameters:
        rule = next((rule for rule in rules if parameter.name.startswith(rule.match)), _NO_RULE)
        followed.add(rule)
        exempt = not decay_norm_and_bias and parameter.name.rsplit(".", 1)[-1] in NORM_AND_BIAS
        decay = 0.0 if exempt else weight_decay * rule.decay_factor
        members.setdefault((rule.lr_factor, decay), []).append(parameter)
    for rule in rules:
        if rule not in followed:
            _refuse(rule, parameters)
    return [ParameterGroup(tuple(group), *key) for key, group in members.items()]


_NO_RULE = GroupRule(match="", lr_factor=1.0, decay_factor=1.0)


def _refuse(rule: GroupRule, parameters: Sequence[Parameter]) -> NoReturn:
    names = [parameter.name for parameter in parameters]
    if any(name.startswith(rule.match) for name in names):
        raise InputError(f"optimizer.groups: earlier groups leave no parameter for the one that matches {rule.match!r}")
    raise InputError(
        f"optimizer.groups: no trained parameter has a name that starts with {rule.match!r}; nearest: "
        f"{', '.join(_nearest(rule.match, names))}"
    )


def _nearest(prefix: str, names: Iterable[str]) -> list[str]:
    """Returns the existing prefixes (whole dotted parts) most similar to `prefix`, or else the top-level parts."""
    candidates: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        candidates.update((".".join(parts[:count]), None) for count in range(1, len(parts) + 1))
    similar = difflib.get_close_matches(prefix, candidates, n=SUGGESTIONS, cutoff=0.6)
    return similar or [name for name in candidates if "." not in name]
