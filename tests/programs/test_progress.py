"""Progress lines."""

import logging
from collections.abc import Iterator

import pytest

from mindrcnn.compilation import Compilations
from mindrcnn.tasks import progress
from mindrcnn.tasks.progress import log_progress


def test_time_and_images_of_compiling_calls_do_not_count(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=progress.__name__)
    times = iter([0, 60, 64, 74, 74])
    compiling = Compilations("the network", clock=iter([0, 58]).__next__)
    compiling.images, compiling.seconds = 7, 100.0  # of an evaluation before

    def images() -> Iterator[str]:
        with compiling.watch((2, 3, 64, 64), images=2):
            pass
        yield from "abc"

    assert list(log_progress(images(), total=3, compiling=compiling, clock=lambda: next(times))) == list("abc")
    assert caplog.messages[1:] == ["1/3 images", "3 images in 0:01:14, of which 0:00:58 compiling, 0.06 images/s"]


def test_progress_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=progress.__name__)
    seconds = iter([0, 4, 8, 12, 16, 20, 20])
    passed = list(log_progress("abcde", total=5, clock=lambda: next(seconds)))
    assert passed == list("abcde")
    assert caplog.messages == ["3/5 images, 0.25 images/s, 0:00:08 left", "5 images in 0:00:20, 0.25 images/s"]
