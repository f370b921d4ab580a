"""Descriptions in checkpoints whose checksum is right and whose content is not."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from mindspore import Parameter, Tensor

from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, require_finite
from mindrcnn.engine.checkpoints.info import CheckpointInfo, read_info
from mindrcnn.errors import InputError

INFO = CheckpointInfo("name: a", ("cat", "dog"), (3, 10**30), epoch=1, step=2, metrics={"AP": float("nan")})
PATH = Path("a.ckpt")


def text(**changes: object) -> bytes:
    return json.dumps({**asdict(INFO), **changes}).encode()


def test_a_description_reads_back() -> None:
    read = read_info(PATH, text())
    assert np.isnan(read.metrics["AP"])
    assert replace(read, metrics={}) == replace(INFO, metrics={})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "UTF-8"),
        (b"no JSON", "wanted JSON"),
        (b"[" * 100_000, "nested without end"),
        (b"9" * 5000, "4300 digits"),
        (b"[1]", "another version"),
        (text(new=1), "another version"),
        (b"{}", "another version"),
        (text(config_yaml=5), "config_yaml: wanted YAML text, got 5"),
        (text(classes=[["cat"], ["dog"]]), "classes: wanted a list of different names"),
        (text(classes=["cat", "cat"]), "classes"),
        (text(classes=["cat", "\ud800"]), "classes"),
        (text(classes="ab"), "classes"),
        (text(classes=["cat"]), "as many classes as category_ids, got 1 and 2"),
        (text(category_ids=[1, 1.5]), "category_ids"),
        (text(category_ids=[1, True]), "category_ids"),
        (text(epoch=-1), "epoch: wanted a whole number, got -1"),
        (text(step=10**400), "step"),
        (text(steps_per_epoch="1"), "steps_per_epoch"),
        (text(world_size=0), "world_size"),
        (text(metrics={"AP": []}), "metrics: wanted numbers by name"),
        (text(loss_scale=None), "loss_scale"),
    ],
)
def test_another_description_is_one_message(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_info(PATH, content)
    assert str(caught.value).startswith("a.ckpt")


def test_weights_that_are_not_finite_are_named() -> None:
    values = {"a.weight": [1.0, 2], "b.weight": [np.nan, np.nan], "b.bias": [np.inf, 0]}
    parameters = {name: Parameter(Tensor(np.array(value, np.float32)), name=name) for name, value in values.items()}
    checkpoint = Checkpoint(path=PATH, parameters=parameters, optimizer={}, trained={}, info=INFO)
    with pytest.raises(InputError, match=r"2 of 3 parameters with NaN or infinity \(b\.weight, b\.bias\)"):
        require_finite(checkpoint)
    del parameters["b.weight"], parameters["b.bias"]
    require_finite(checkpoint)
