"""first_batch.jpg of a run folder; a stand-in takes the compiled step's place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from mindrcnn.tasks.first_batch import draw_first_batch
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
OVERRIDES = ["data.val.name=''", "data.keep_empty_images=true", "train.schedule.length=1"]


@pytest.mark.parametrize("more", [[], ["train.accumulate=2", "model.mask=null", "model.pixel.channel_order=bgr"]])
def test_the_first_batch_is_drawn(call: Call, tiny: Path, stand_in: Any, more: list[str]) -> None:
    outcome = call(lambda: train(tiny, OVERRIDES + more, Path("run")))
    assert outcome.status == 0, outcome.stderr
    picture = cv2.imread("run/first_batch.jpg")
    assert picture.shape[0] > 2 * 448  # four images of 64 pixels, enlarged
    assert picture.shape[1] > 2 * 448
    assert picture.std() > 5


def test_a_picture_that_fails_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    draw_first_batch(tmp_path / "x.jpg", None, (), "rgb")  # type: ignore[arg-type]
    (line,) = caplog.messages
    assert line.startswith("cannot draw the first batch: ")
    assert list(tmp_path.iterdir()) == []
