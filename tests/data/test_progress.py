import io

import pytest

from mindrcnn.data import progress
from mindrcnn.data.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_file_gets_a_line_now_and_then(clock):
    stream = io.StringIO()
    line = ProgressLine(1000, what="images", stream=stream)
    for done in range(1, 41):
        clock[0] += 1
        line.update(done)
    line.close()
    assert stream.getvalue() == "15/1000 images, 1/s, 0:16:25 left\n30/1000 images, 1/s, 0:16:10 left\n"


def test_a_terminal_gets_one_line_that_is_written_over(clock):
    stream = Terminal()
    line = ProgressLine(36_000_000, what="images", stream=stream)
    line.update(0)
    clock[0] += 10
    line.update(10_000)
    clock[0] += 0.1
    line.update(10_100)
    line.close()
    assert stream.getvalue() == "\r10000/36000000 images, 1000/s, 9:59:50 left\033[K\n"
