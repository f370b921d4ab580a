"""Videos that are written."""

from pathlib import Path

import numpy as np
import pytest

from mindrcnn.data.video import read_video, video_facts
from mindrcnn.drawing.video import VideoOut, is_our_video
from mindrcnn.errors import InputError


@pytest.mark.parametrize("size", [(60, 80), (61, 83)])
def test_frames_come_back(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "new" / "a.mp4"
    with VideoOut.replacing(path, size=size, rate=12.5) as video:
        for grey in (20, 120, 220):
            video.add(np.full((*size, 3), grey, np.uint8))
        video.add(np.full((10, 200, 3), 200, np.uint8))  # of another size
        assert not path.exists()
    frames = [frame.image() for frame in read_video(path)]
    assert [round(frame.mean()) for frame in frames[:3]] == pytest.approx([20, 120, 220], abs=6)
    assert frames[3][:8].mean() == pytest.approx(200, abs=8)
    assert frames[3][20:].mean() < 8
    assert video_facts(path).rate == 12.5
    assert is_our_video(path)
    (tmp_path / "b.mp4").write_bytes(b"x")
    assert not is_our_video(tmp_path / "b.mp4")


def test_an_interrupted_one_has_no_name(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("an earlier one")
    with pytest.raises(ValueError, match="shape"), VideoOut.replacing(path, size=(8, 8), rate=10) as video:
        video.add(np.zeros((4, 4, 4), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_cannot_be_written(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="OpenCV cannot write a video of 0 x 0"),
        VideoOut.replacing(tmp_path / "a.mp4", size=(0, 0), rate=10),
    ):
        pass
