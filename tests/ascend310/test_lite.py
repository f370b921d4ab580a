"""MindSpore Lite's Python package as a back end, with a stand-in for it that has the same interface."""

import enum
import importlib.abc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mindrcnn.errors import InputError
from mindrcnn.exported.opening import open_exported
from mindrcnn.opening import Runtime
from mindrcnn.tasks.evaluation import evaluate_checkpoint


class ModelType(enum.Enum):
    MINDIR = 0


class Tensor:
    def __init__(self, values: np.ndarray | None = None) -> None:
        self.values = values

    def set_data_from_numpy(self, values: np.ndarray) -> None:
        assert values.flags.c_contiguous
        self.values = values

    def get_data_to_numpy(self) -> np.ndarray:
        assert self.values is not None
        return self.values


class Context:
    """Settings count if they are made before the target is."""

    def __init__(self) -> None:
        self.cpu, self.gpu, self.ascend = SimpleNamespace(), SimpleNamespace(), SimpleNamespace()
        self.used: dict[str, Any] = {}

    @property
    def target(self) -> list[str]:
        return list(self.used)

    @target.setter
    def target(self, names: list[str]) -> None:
        self.used = {name: dict(vars(getattr(self, name))) for name in names}


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch, stand_in: Callable[..., tuple[np.ndarray, ...]]) -> list[Context]:
    """Installs the package; returns the contexts that models are built with."""
    used = []

    class Model:
        def build_from_file(self, path: str, kind: ModelType, context: Context) -> None:
            assert kind is ModelType.MINDIR
            if "broken" in path:
                raise RuntimeError("build_from_file failed! Error is Common error code.")
            used.append(context)
            self.inputs = [Tensor(), Tensor()]

        def get_inputs(self) -> list[Tensor]:
            return self.inputs

        def predict(self, inputs: list[Tensor]) -> list[Tensor]:
            return [Tensor(values) for values in stand_in(*(tensor.get_data_to_numpy() for tensor in inputs))]

    package = ModuleType("mindspore_lite")
    package.__dict__.update(Context=Context, Model=Model, ModelType=ModelType)
    monkeypatch.setitem(sys.modules, "mindspore_lite", package)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    return used


def test_evaluation(
    work: Path, contexts: list[Context], model: Path, overrides: list[str], expected: dict[str, Any]
) -> None:
    runtime = Runtime("lite", "ascend:2")
    assert evaluate_checkpoint(model, [*overrides, "eval.batch_size=3"], Path("out"), runtime=runtime) == 0
    assert json.loads(Path("out/metrics.json").read_text()) == expected
    assert contexts[0].used == {"ascend": {"device_id": 2, "precision_mode": "preferred_fp32"}}


def test_other_devices(contexts: list[Context], model: Path) -> None:
    assert "MindSpore Lite, CPU" in repr(open_exported(model, backend="lite"))
    open_exported(model, backend="lite", device=("GPU", 1))
    assert [context.used for context in contexts] == [{"cpu": {"thread_num": 3}}, {"gpu": {"device_id": 1}}]


def test_a_model_that_lite_does_not_load(contexts: list[Context], model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mindir"
    broken.write_bytes(model.read_bytes())
    with pytest.raises(InputError, match=r"broken\.mindir: wanted a model that MindSpore Lite loads on CPU, got one "):
        open_exported(broken, backend="lite")


def test_without_the_package(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Blocked(importlib.abc.MetaPathFinder):
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            if name == "mindspore_lite":
                raise ModuleNotFoundError(name)

    monkeypatch.setattr(sys, "meta_path", [Blocked(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "mindspore_lite", raising=False)
    with pytest.raises(InputError, match=r"^--backend lite: wanted the package mindspore_lite, of the version of"):
        open_exported(model, backend="lite")
