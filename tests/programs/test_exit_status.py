"""The start and the exit status of programs."""

import gc
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import mindspore as ms
import pytest

from mindrcnn.build.device import set_device
from mindrcnn.config.run import DeviceConfig
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.exit_status import YOUNG_OBJECTS, run

Call = Callable[[Callable[[], int]], Any]


def test_the_status_is_the_actions(call: Call) -> None:
    assert call(lambda: 3).status == 3


def test_a_program_collects_garbage_rarely(call: Call) -> None:
    before = gc.get_threshold()
    gc.set_threshold(700)
    try:
        assert call(lambda: int(gc.get_threshold()[0] == YOUNG_OBJECTS)).status == 1
    finally:
        gc.set_threshold(*before)


def test_bad_input_is_one_message(call: Call) -> None:
    def action() -> int:
        raise InputError("file, line 3: wanted a, got b")

    assert call(action).error == "file, line 3: wanted a, got b\n"


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_program_at_once(number: signal.Signals, status: int) -> None:
    def action() -> int:
        os.kill(os.getpid(), number)
        raise AssertionError("the program went on")

    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        run(action)
    assert ended.value.code == status
    assert signal.getsignal(number) is before


def test_a_log_file_on_a_full_disk_does_not_fill_stderr(
    call: Call, tmp_path: Path, largest_file: Callable[[int], AbstractContextManager[None]]
) -> None:
    def action() -> int:
        setup_logging(tmp_path / "train.log")
        with largest_file(10):
            logging.getLogger("mindrcnn").info("a line of more than ten bytes")
        return 0

    outcome = call(action)
    assert (tmp_path / "train.log").stat().st_size == 10
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("target", "deterministic", "calls"), [("GPU", True, [True]), ("GPU", False, []), ("CPU", True, [])]
)
def test_deterministic_operators_are_chosen_where_there_is_a_choice(
    monkeypatch: pytest.MonkeyPatch, target: Literal["CPU", "GPU"], deterministic: bool, calls: list[bool]
) -> None:
    made: list[bool] = []
    for name in ("set_device", "set_context", "set_seed"):
        monkeypatch.setattr(ms, name, lambda *arguments, **names: None)
    monkeypatch.setattr(ms, "set_deterministic", made.append)
    set_device(DeviceConfig(target=target, deterministic=deterministic), 0)
    assert made == calls
