"""Freezing by prefix, and who gets which learning rate and weight decay."""

from collections.abc import Sequence

import pytest
from mindspore import nn

from mindrcnn.engine.step.param_groups import GroupRule, freeze, group_parameters, trainable_parameters
from mindrcnn.errors import InputError


class Small(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.SequentialCell(nn.Conv2d(3, 4, 3, has_bias=True), nn.BatchNorm2d(4))
        self.head = nn.Dense(4, 2)


def names(parameters: object) -> list[str]:
    return [parameter.name for parameter in parameters]  # type: ignore[attr-defined]


def test_freeze_stops_exactly_the_named() -> None:
    network = Small()
    frozen = freeze(network, ("backbone.0",))
    assert frozen == ("backbone.0.weight", "backbone.0.bias")
    assert names(trainable_parameters(network)) == ["backbone.1.gamma", "backbone.1.beta", "head.weight", "head.bias"]


def test_no_prefix_freezes_nothing() -> None:
    network = Small()
    assert freeze(network, ()) == ()
    assert len(trainable_parameters(network)) == 6


def test_unmatched_prefix_names_the_nearest_and_freezes_nothing() -> None:
    network = Small()
    with pytest.raises(InputError, match=r"'backbon\.0'.*backbone\.0"):
        freeze(network, ("head", "backbon.0"))
    assert len(trainable_parameters(network)) == 6
    with pytest.raises(InputError, match=r"'xyz'.*backbone, head"):
        freeze(network, ("xyz",))


def test_freezing_everything_is_an_error() -> None:
    network = Small()
    freeze(network, ("backbone", "head"))
    with pytest.raises(InputError, match="at least one parameter"):
        trainable_parameters(network)


def grouped(rules: Sequence[GroupRule], *, decay_norm_and_bias: bool = False) -> dict[str, tuple[float, float]]:
    """Factor on the learning rate and weight decay of each parameter, of which none may be in two groups."""
    groups = group_parameters(
        trainable_parameters(Small()), weight_decay=0.5, decay_norm_and_bias=decay_norm_and_bias, rules=rules
    )
    assert sum(len(group.parameters) for group in groups) == 6
    assert len({(group.lr_factor, group.weight_decay) for group in groups}) == len(groups)
    return {parameter.name: (group.lr_factor, group.weight_decay) for group in groups for parameter in group.parameters}


def test_decay_spares_biases_and_norms() -> None:
    found = grouped(())
    assert {name for name, values in found.items() if values == (1.0, 0.5)} == {"backbone.0.weight", "head.weight"}
    assert {name for name, values in found.items() if values == (1.0, 0.0)} == {
        "backbone.0.bias", "backbone.1.gamma", "backbone.1.beta", "head.bias"
    }  # fmt: skip
    assert set(grouped((), decay_norm_and_bias=True).values()) == {(1.0, 0.5)}


def test_the_first_rule_that_matches_counts() -> None:
    rules = (GroupRule("backbone.1", 2.0, 3.0), GroupRule("backbone", 0.1, 0.0), GroupRule("head.b", 5.0, 2.0))
    assert grouped(rules, decay_norm_and_bias=True) == {
        "backbone.0.weight": (0.1, 0.0),
        "backbone.0.bias": (0.1, 0.0),
        "backbone.1.gamma": (2.0, 1.5),
        "backbone.1.beta": (2.0, 1.5),
        "head.weight": (1.0, 0.5),
        "head.bias": (5.0, 1.0),
    }
    assert grouped(rules)["head.bias"] == (5.0, 0.0)


def test_a_rule_that_does_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match=r"no trained parameter .*'heads'; nearest: .*head"):
        grouped((GroupRule("head", 1.0, 1.0), GroupRule("heads", 1.0, 1.0)))
    with pytest.raises(InputError, match=r"earlier groups leave no parameter .*'backbone\.1'"):
        grouped((GroupRule("backbone", 0.1, 1.0), GroupRule("backbone.1", 1.0, 1.0)))
