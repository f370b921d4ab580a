"""Which parameters train, and which of them weight decay pulls on."""

import difflib
from collections.abc import Iterable, Sequence

from mindspore import Parameter, nn

from mindrcnn.errors import InputError

# Last part of the names of parameters that are no weights: biases, and scale and offset of normalisation layers.
NORM_AND_BIAS = frozenset({"bias", "beta", "gamma"})
SUGGESTIONS = 5


def freeze(network: nn.Cell, prefixes: Sequence[str]) -> tuple[str, ...]:
    """Stops training of every parameter whose name starts with one of `prefixes`; returns their names.

    Raises InputError for a prefix that no parameter has, with the nearest that exist.
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


def trainable(network: nn.Cell) -> tuple[Parameter, ...]:
    """Parameters that train. Raises InputError when there is none."""
    parameters = tuple(network.trainable_params())
    if not parameters:
        raise InputError("freeze: wanted at least one parameter that still trains, got none")
    return parameters


def split_by_decay(parameters: Iterable[Parameter]) -> tuple[list[Parameter], list[Parameter]]:
    """(weights, biases and norm parameters): weight decay is meant for the first list only."""
    weights: list[Parameter] = []
    others: list[Parameter] = []
    for parameter in parameters:
        is_other = parameter.name.rsplit(".", 1)[-1] in NORM_AND_BIAS
        (others if is_other else weights).append(parameter)
    return weights, others


def _nearest(prefix: str, names: Iterable[str]) -> list[str]:
    """Existing name prefixes (whole dotted parts) most like `prefix`; the top-level parts when none is like it."""
    candidates: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        candidates.update((".".join(parts[:count]), None) for count in range(1, len(parts) + 1))
    similar = difflib.get_close_matches(prefix, candidates, n=SUGGESTIONS, cutoff=0.6)
    return similar or [name for name in candidates if "." not in name]
