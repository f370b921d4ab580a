"""Console and file, once each."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    package = logging.getLogger("mindrcnn")
    handlers, level = list(package.handlers), package.level
    package.handlers[:] = []
    yield
    for handler in package.handlers:
        handler.close()
    package.handlers[:], package.level = handlers, level


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.log")
    with pytest.raises(InputError, match=r"train\.log: wanted a file to write, got a pipe"):
        setup_logging(tmp_path / "train.log")


def test_a_message_reaches_console_and_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(tmp_path / "first.log")
    setup_logging(tmp_path / "train.log")
    logging.getLogger("mindrcnn.engine.anything").info("größe %d", 7)
    logging.getLogger("mindrcnn.engine.anything").debug("not shown")
    assert (tmp_path / "first.log").read_text() == ""
    lines = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("INFO größe 7")
    captured = capsys.readouterr()
    assert captured.err.count("größe 7") == 1
    assert "not shown" not in captured.err
    assert captured.out == ""


def test_log_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.log"):
        setup_logging(tmp_path / "missing" / "train.log")
