"""The keys under `device` as MindSpore gets them."""

from typing import Any

import mindspore as ms
import pytest

from mindrcnn.build.device import set_device
from mindrcnn.config.run import DeviceConfig


@pytest.mark.parametrize(("level", "given"), [("O1", [{"jit_level": "O1"}]), ("auto", [])])
def test_the_level_of_compilation_is_passed_on(monkeypatch: pytest.MonkeyPatch, level: Any, given: list[Any]) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(ms, "set_context", lambda **values: calls.append(values))
    monkeypatch.setattr(ms, "set_seed", lambda seed: None)
    set_device(DeviceConfig(jit_level=level), seed=0)
    assert [call["jit_config"] for call in calls if "jit_config" in call] == given
