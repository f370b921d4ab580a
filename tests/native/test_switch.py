"""Use of the kernels, and the behaviour without a compiler."""

import logging
from collections.abc import Iterator
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.native import library as library_module
from mindrcnn.native.library import VARIABLE, available, library
from mindrcnn.native.switch import in_use, portable_only
from mindrcnn.ops.nms import nms


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing library, whether or not this machine has a compiler."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(library_module, "library", lambda: "a/library.so")


@pytest.fixture
def fresh_library() -> Iterator[None]:
    library.cache_clear()
    yield
    library.cache_clear()


def test_in_use_on_a_cpu(built: None) -> None:
    assert in_use()


def test_switched_off_by_the_variable(built: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    assert not in_use()
    assert not available()


@pytest.mark.parametrize("target", ["Ascend", "GPU"])
def test_not_on_other_devices(built: None, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    monkeypatch.setattr(ms, "get_context", lambda name: target)
    assert not in_use()
    assert available()  # for what the processor beside the device does


def test_not_in_a_portable_block(built: None) -> None:
    with portable_only():
        with portable_only():
            assert not in_use()
        assert not in_use()
    assert in_use()


def test_without_a_compiler_one_warning_and_the_portable_forms(
    fresh_library: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    boxes = np.array([[[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]], np.float32)
    arguments = boxes, np.array([[0.9, 0.8, 0.7]], np.float32), np.ones((1, 3), bool)
    with caplog.at_level(logging.WARNING):
        assert not in_use()
        keep = nms(*(Tensor(array) for array in arguments), 0.5)
    np.testing.assert_array_equal(keep.asnumpy(), [[True, False, True]])
    messages = [record.getMessage() for record in caplog.records if record.name == library_module.__name__]
    assert len(messages) == 1
    assert "using the slower portable operators: wanted a C++17 compiler" in messages[0]


@pytest.mark.parametrize(("folder", "reason"), [("a:b", "without a colon"), ("plain", "libmindrcnn.so: ")])
def test_a_library_that_cannot_serve(
    fresh_library: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    folder: str,
    reason: str,
) -> None:
    path = tmp_path / folder / "libmindrcnn.so"
    path.parent.mkdir()
    path.write_text("not a library")
    monkeypatch.setattr(library_module, "build", lambda: path)
    with caplog.at_level(logging.WARNING):
        assert library() == ""
    assert reason in caplog.text
