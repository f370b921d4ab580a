"""Runs that are killed and resumed, and runs that are divided among shards."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindrcnn.data.video import Frame, video_facts
from mindrcnn.errors import InputError
from mindrcnn.tasks.sources import cameras
from mindrcnn.tasks.sources.search import Shard
from mindrcnn.tiling.windows import Tiling

Infer = Callable[..., int]
LINES = Path("found/predictions.jsonl")


def lines(path: Path = LINES) -> list[tuple[str, int | None]]:
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    return [(Path(one["file"]).name, one.get("frame")) for one in documents]


def test_a_killed_run_continues_without_a_line_lost_or_twice(infer: Infer, eyes: Any) -> None:
    kinds = "jsonl,json,coco,csv,counts,coco-dataset,pictures"
    assert infer("photos", save=kinds) == 0
    whole = {path: path.read_bytes() for path in Path("found").rglob("*") if path.is_file()}
    for path in whole:
        path.unlink()
    eyes.stops_after = len(eyes.seen) + 2
    with pytest.raises(KeyboardInterrupt):
        infer("photos", save=kinds)
    assert lines()[:1] == [("0.png", None)]
    assert not Path("found/predictions.json").exists()
    with LINES.open("a") as file:
        file.write('{"file": "photos/1.png", "height": 60, "wi')  # the line that was being written
    eyes.stops_after = None
    eyes.seen.clear()
    assert infer("photos", save=kinds, resume=True) == 0
    assert "photos/0.png" not in eyes.seen
    assert {path: path.read_bytes() for path in Path("found").rglob("*") if path.is_file()} == whole
    eyes.seen.clear()
    assert infer("photos", save=kinds, resume=True) == 0  # nothing is left to do
    assert eyes.seen == []
    assert {path: path.read_bytes() for path in Path("found").rglob("*") if path.is_file()} == whole


def test_without_resume_it_starts_again(infer: Infer, eyes: Any) -> None:
    for _ in range(2):
        assert infer("photos", save="jsonl") == 0
    assert lines() == [("0.png", None), ("1.png", None), ("2.png", None)]
    assert len(eyes.seen) == 6


def test_the_record_is_kept_without_being_asked_for(infer: Infer) -> None:
    assert infer("photos", save="csv", resume=True) == 0
    assert len(lines()) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"score_thresh": 0.7}, r"--resume: .*predictions_run\.json\): --score 0\.5, got 0\.7"),
        ({"tiling": Tiling(64, 0.5)}, r"--tiles None, got \[64, 0\.5\]"),
        ({"class_names": ["nail"]}, r"--classes \[\], got \['nail'\]"),
    ],
)
def test_other_settings_are_refused(infer: Infer, changed: dict[str, Any], message: str) -> None:
    assert infer("photos", save="jsonl") == 0
    with pytest.raises(InputError, match=message):
        infer("photos", save="jsonl", resume=True, **changed)
    assert infer("photos", save="jsonl", **changed) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no JSON", r"predictions\.jsonl: line 4: wanted JSON"),
        ("[1]", r"predictions\.jsonl: line 4: wanted the predictions of an image, got \[1\]"),
        ('{"file": "photos/3.png", "height": 60}', r"predictions\.jsonl: photos/3\.png: wanted the predictions"),
        (
            '{"file": "photos/3.png", "height": 60, "width": 80, "predictions": [{"bbox": {"x_min": 1, "y_min": 1, '
            '"width": 1, "height": 1}, "class": {"label": 9}, "score": 1}]}',
            "wanted boxes of numbers and labels of the model",
        ),
    ],
)
def test_a_damaged_line_is_named(infer: Infer, line: str, message: str) -> None:
    assert infer("photos", save="jsonl") == 0
    Path("photos/3.png").write_bytes(Path("photos/0.png").read_bytes())
    with LINES.open("a") as file:
        file.write(line + "\n")
    before = LINES.read_bytes()
    with pytest.raises(InputError, match=message):
        infer("photos", save="jsonl,json", resume=True)
    assert LINES.read_bytes() == before


@pytest.mark.parametrize("save", ["jsonl", "jsonl,pictures"])
def test_a_video_is_resumed_or_drawn_from_its_beginning(
    infer: Infer, eyes: Any, make_video: Callable[[Path, int], Path], tmp_path: Path, save: str
) -> None:
    make_video(tmp_path / "clip.mp4", 6)
    eyes.stops_after = 4
    with pytest.raises(KeyboardInterrupt):
        infer("clip.mp4", save=save)
    begun = lines()
    assert 2 <= len(begun) <= 4
    assert not Path("found/clip.mp4").exists()
    eyes.stops_after = None
    eyes.seen.clear()
    assert infer("clip.mp4", save=save, resume=True) == 0
    assert lines() == [("clip.mp4", number) for number in range(6)]
    assert len(eyes.seen) == (6 if "pictures" in save else 6 - len(begun))
    if "pictures" in save:
        assert video_facts(Path("found/clip.mp4")).frames == 6


def test_shards_are_the_whole(infer: Infer) -> None:
    for number in (1, 2):
        assert infer("photos", save="jsonl,json,coco,pictures", shard=Shard(number, 2)) == 0
    parts = [Path(f"found/predictions_{number}-of-2.jsonl") for number in (1, 2)]
    assert [lines(part) for part in parts] == [[("0.png", None), ("2.png", None)], [("1.png", None)]]
    assert {path.name for path in Path("found").glob("*.jpg")} == {"0.jpg", "1.jpg", "2.jpg"}
    ids = [
        one["id"]
        for number in (1, 2)
        for one in json.loads(Path(f"found/coco_images_{number}-of-2.json").read_text())["images"]
    ]
    assert ids == [1, 3, 2]
    assert infer("photos/0.png", save="jsonl,json", shard=Shard(5, 9)) == 0  # a part without images
    assert lines(Path("found/predictions_5-of-9.jsonl")) == []


def test_tiles_reach_the_detector(infer: Infer, eyes: Any) -> None:
    assert infer("photos/0.png", save="json", tiling=Tiling(50, 0.2)) == 0
    (image,) = json.loads(Path("found/predictions.json").read_text())["images"]
    assert len(eyes.seen) == 5  # the whole image and two by two tiles
    assert [one["class"]["name"] for one in image["predictions"]] == ["wing nut", "nail"]
    assert image["predictions"][0]["bbox"] == {"x_min": 40, "y_min": 12, "width": 30, "height": 30}


@pytest.mark.usefixtures("python_interrupts")
def test_a_camera_runs_until_it_is_stopped_and_completes_its_files(
    infer: Infer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frames(number: int, every: int) -> Iterator[Frame]:
        for count in range(2000):
            if count == 5:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.001)
            yield Frame(None, count, count / 30, 30.0, np.zeros((48, 64, 3), np.uint8))

    monkeypatch.setattr(cameras, "open_camera", frames)
    assert infer("0", save="json,pictures,counts") == 0
    images = json.loads(Path("found/predictions.json").read_text())["images"]
    assert 5 <= len(images) < 2000
    assert [(one["file"], one["frame"]) for one in images[:2]] == [("camera 0", 0), ("camera 0", 1)]
    assert video_facts(Path("found/camera_0.mp4")).frames == len(images)


def test_frames_have_keys_of_their_own_in_the_model_zoos_form(
    infer: Infer, make_video: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    make_video(tmp_path / "clip.mp4", 2)
    assert infer("clip.mp4", "photos/0.png", zoo_format=True) == 0
    assert list(json.loads(Path("found/predictions.json").read_text())) == [
        *("clip.mp4#0", "clip.mp4#1", "photos/0.png"),
    ]
