"""What is said of a compilation before it begins, and what it takes."""

import logging

import pytest

from mindrcnn.compilation import Compilations


def test_new_shapes_are_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mindrcnn")
    compilations = Compilations("the step")
    assert compilations.announce([(2, 3, 288, 384), (2, 3, 384, 288), (2, 3, 288, 384)])
    assert not compilations.announce([(2, 3, 384, 288)])
    assert compilations.announce([(1, 3, 384, 288)])  # another number of images
    assert caplog.messages == [
        "compiling the step for 288x384, 384x288 ...",
        "compiling the step for 384x288 ...",
    ]


def test_calls_that_compile_are_timed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="mindrcnn")
    compilations = Compilations("the network", clock=iter([10.0, 25.0]).__next__)
    with compilations.watch((2, 3, 64, 96), images=1):
        assert caplog.messages == ["compiling the network for 64x96 ..."]  # before it begins
    with compilations.watch((2, 3, 64, 96), images=2):
        pass
    assert (compilations.images, compilations.seconds) == (1, 15.0)
