"""Progress lines."""

import logging

import pytest

from mindrcnn.tasks import progress
from mindrcnn.tasks.progress import log_progress


def test_progress_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=progress.__name__)
    seconds = iter([0, 4, 8, 12, 16, 20, 20])
    passed = list(log_progress("abcde", total=5, clock=lambda: next(seconds)))
    assert passed == list("abcde")
    assert caplog.messages == ["3/5 images, 0.25 images/s, 0:00:08 left", "5 images in 0:00:20, 0.25 images/s"]
