"""The processes of one job compare what they run, before a step."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mindspore import Parameter, Tensor

from mindrcnn.config.run import Config
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.record import Dataset
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.errors import InputError
from mindrcnn.tasks.processes import require_same_data, require_same_job, require_same_parameters, software


class Values:
    """Stands in for the other rank: answers with what it was given, call by call."""

    def __init__(self, *others: dict[str, str]) -> None:
        self.others = list(others)
        self.own: list[dict[str, str]] = []

    def ranks(self) -> Ranks:
        def gather(value: Any) -> list[Any]:
            self.own.append(value)
            return [value, value | (self.others.pop(0) if self.others else {})]

        return Ranks(size=2, all_gather=gather)


def test_a_difference_in_software_or_configuration_is_named() -> None:
    with pytest.raises(InputError, match=r"same software, got mindspore: '[0-9.]+' and '1\.0'"):
        require_same_job(Config(), Values({"mindspore": "1.0"}).ranks())
    with pytest.raises(
        InputError, match=r"same configuration, got model\.box\.fc_channels: '1024' and '7', train\.seed: '0' and '1'"
    ):
        require_same_job(Config(), Values({}, {"train.seed": "1", "model.box.fc_channels": "7"}).ranks())
    assert "sources" in software()["mindrcnn"]


def test_places_may_differ() -> None:
    values = Values()
    config = Config()
    require_same_job(replace(config, data=replace(config.data, root="/elsewhere")), values.ranks())
    assert "data.root" not in values.own[1]
    assert values.own[1]["train.seed"] == "0"


def test_a_difference_in_the_data_is_named(demo: Path) -> None:
    def read(changes: dict[str, Any]) -> Dataset:
        dataset = read_coco(annotations=demo / "annotations/instances_train.json", images=demo / "train")
        return replace(dataset, **changes)

    values = Values()
    require_same_data(read({}), values.ranks())
    first = values.own[0]
    other = read({"records": list(read({}).records)[:-1]})
    with pytest.raises(InputError, match=r"same data \(instances_train.json\), got images: '11' and '12', checksum: "):
        require_same_data(other, Values(first).ranks())
    require_same_data(other, Ranks())


def test_a_difference_in_the_parameters_is_named() -> None:
    parameters = [Parameter(Tensor(np.ones(2, np.float32)), name=name) for name in ("rpn.a", "box.a")]
    require_same_parameters(parameters, Values().ranks())
    with pytest.raises(InputError, match=r"same parameters, got box: '[0-9a-f]{12}' and 'x'"):
        require_same_parameters(parameters, Values({"box": "x"}).ranks())
