"""Freezing by prefix, and who gets weight decay."""

import pytest
from mindspore import nn

from mindrcnn.engine.param_groups import freeze, split_by_decay, trainable
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
    assert names(trainable(network)) == ["backbone.1.gamma", "backbone.1.beta", "head.weight", "head.bias"]


def test_no_prefix_freezes_nothing() -> None:
    network = Small()
    assert freeze(network, ()) == ()
    assert len(trainable(network)) == 6


def test_unmatched_prefix_names_the_nearest_and_freezes_nothing() -> None:
    network = Small()
    with pytest.raises(InputError, match=r"'backbon\.0'.*backbone\.0"):
        freeze(network, ("head", "backbon.0"))
    assert len(trainable(network)) == 6
    with pytest.raises(InputError, match=r"'xyz'.*backbone, head"):
        freeze(network, ("xyz",))


def test_freezing_everything_is_an_error() -> None:
    network = Small()
    freeze(network, ("backbone", "head"))
    with pytest.raises(InputError, match="at least one parameter"):
        trainable(network)


def test_decay_spares_biases_and_norms() -> None:
    weights, others = split_by_decay(trainable(Small()))
    assert names(weights) == ["backbone.0.weight", "head.weight"]
    assert names(others) == ["backbone.0.bias", "backbone.1.gamma", "backbone.1.beta", "head.bias"]
