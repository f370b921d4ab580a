"""Videos: their frames, numbers and times, and files that are none."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from mindrcnn.data import image_io, video
from mindrcnn.data.video import open_camera, read_video, video_facts
from mindrcnn.errors import InputError

FRAMES, RATE = 12, 10.0


def write_video(path: Path) -> Path:
    """A video whose frame n has red 20n."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, (64, 48))
    for number in range(FRAMES):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[:, :, 2] = 20 * number
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "clip %02d.mp4")


@pytest.mark.parametrize(("every", "numbers"), [(1, list(range(12))), (5, [0, 5, 10]), (100, [0])])
def test_every_so_many_frames(clip: Path, every: int, numbers: list[int], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frames = list(read_video(clip, every=every))
    assert [frame.number for frame in frames] == numbers
    assert [frame.seconds for frame in frames] == pytest.approx([number / RATE for number in numbers])
    reds = [frame.image()[:, :, 0].mean() for frame in frames]
    assert reds == pytest.approx([20 * number for number in numbers], abs=6)
    assert {(frame.size, frame.path) for frame in frames} == {((48, 64), clip)}
    assert caplog.text == ""


def test_facts(clip: Path) -> None:
    facts = video_facts(clip)
    assert (facts.rate, facts.frames) == (RATE, FRAMES)


def test_a_video_that_ends_early_is_told(
    clip: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(video, "_facts", lambda capture: video.VideoFacts(RATE, 40))
    with caplog.at_level(logging.WARNING):
        assert len(list(read_video(clip))) == FRAMES
    assert "says that it has 40 frames; after frame 11 none can be read" in caplog.text


@pytest.mark.parametrize("name", ["notes.mp4", "empty.mp4", "absent.mp4", "folder.mp4", "image_%02d.mp4"])
def test_what_is_no_video(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.mp4").write_text("#EXTM3U\nhttp://127.0.0.1:9/a.ts\n")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    cv2.imwrite(str(tmp_path / "image_01.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InputError, match=rf"{name}: (wanted|no such)"):
        read_video(tmp_path / name)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\n{}\n", "ffconcat version 1.0\nfile {}\n"])
def test_what_names_another_video_is_none(clip: Path, text: str, tmp_path: Path) -> None:
    (tmp_path / "other.avi").symlink_to(clip)
    (tmp_path / "list.mp4").write_text(text.format("other.avi"))
    with pytest.raises(InputError, match=r"list.mp4: wanted a video"):
        read_video(tmp_path / "list.mp4")


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".avi", "MJPG"), (".mov", "mp4v"), (".mkv", "mp4v"), (".mpg", "mpg1"), (".m4v", "mp4v")]
)
def test_containers(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"a{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25, (64, 48))
    for _ in range(3):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert len(list(read_video(path))) == 3


def test_large_frames_are_refused(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_io._Limit, "pixels", 64 * 48 - 1)
    with pytest.raises(InputError, match=r"clip %02d.mp4: wanted an image of up to .*, got 64 x 48: data.max_megapix"):
        read_video(clip)


def test_no_step_is_refused(clip: Path) -> None:
    with pytest.raises(InputError, match="every: wanted a number of frames above 0, got 0"):
        read_video(clip, every=0)


def test_a_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="77: wanted the number of a camera"):
        open_camera(77)
    assert capfd.readouterr().err == ""
