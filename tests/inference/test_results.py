"""Each kind of result: what is in its files, that other readers take them, and that nothing of others is replaced."""

import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mindrcnn.data.formats.auto import AutoFormat
from mindrcnn.data.record import Dataset
from mindrcnn.data.video import read_video, video_facts
from mindrcnn.detections import Detections
from mindrcnn.drawing.style import Style
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.ground_truth import coco_segmentation, to_rle
from mindrcnn.evaluation.paste import Rle, decode
from mindrcnn.programs import infer as program
from mindrcnn.tasks.results.kinds import DEFAULT, NAMES, check_kinds
from mindrcnn.tasks.results.result import Classes, Found, Plan
from mindrcnn.tasks.results.tables import CountTable, ObjectTable
from mindrcnn.tasks.sources.search import Named

Infer = Callable[..., int]


def everything_under(folder: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}


def table(path: str) -> list[list[str]]:
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_all_kinds_at_once(infer: Infer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mindrcnn"):
        assert infer("photos", save=",".join(name for name in NAMES if name != "none")) == 0
    assert everything_under("found") == {
        *("0.jpg", "1.jpg", "2.jpg", "predictions.json", "predictions.jsonl", "predictions_run.json"),
        *("coco_results.json", "coco_images.json", "annotations/instances_default.json"),
        *("labelme/0.json", "labelme/1.json", "labelme/2.json", "predictions.csv", "counts.csv"),
        *("masks/0_001_wing nut.png", "masks/0_002_nail.png", "masks/2_001_nail.png"),
        *("crops/wing nut/0_001.jpg", "crops/nail/0_002.jpg", "crops/nail/2_001.jpg"),
    }
    assert infer("photos", save="coco,crops,csv") == 0  # its own files are replaced
    assert [line for line in caplog.messages if "nail" in line or "wing" in line][:2] == [
        "nail            2       2            1",
        "wing nut        1       1            1",
    ]
    assert "all             3       3" in caplog.messages


def test_json_and_json_lines_say_the_same(infer: Infer) -> None:
    assert infer("photos", save="json,jsonl") == 0
    document = json.loads(Path("found/predictions.json").read_text())
    assert document["comment"] == "written by MindRCNN"
    lines = [json.loads(line) for line in Path("found/predictions.jsonl").read_text().splitlines()]
    assert document["images"] == lines
    assert [line["file"] for line in lines] == ["photos/0.png", "photos/1.png", "photos/2.png"]
    assert [one["class"]["name"] for one in lines[0]["predictions"]] == ["wing nut", "nail"]
    assert list(lines[0]) == ["file", "height", "width", "predictions"]


def test_coco_results(infer: Infer) -> None:
    assert infer("photos", save="coco") == 0
    entries = json.loads(Path("found/coco_results.json").read_text())
    images = json.loads(Path("found/coco_images.json").read_text())
    assert [(one["image_id"], one["category_id"], one["bbox"]) for one in entries] == [
        (1, 3, [40, 12, 30, 30]),
        (1, 7, [10, 10, 20, 16]),
        (3, 7, [10, 10, 20, 16]),
    ]
    assert [(one["id"], one["file_name"]) for one in images["images"]] == [
        (number + 1, f"photos/{number}.png") for number in range(3)
    ]
    assert images["categories"] == [{"id": 7, "name": "nail"}, {"id": 3, "name": "wing nut"}]


def read_set(root: str, annotations: str, images: str = "") -> Dataset:
    data_format = AutoFormat()
    files = data_format.locate(root=Path(root), name="", annotations=annotations, images=images)
    return data_format.read(files, classes=(), ignore_other_categories=False)


def check_set(dataset: Dataset, *, with_masks: bool = True) -> None:
    """The objects that were found, in the file's own polygons."""
    (first,) = [record for record in dataset.records if record.path.name == "0.png"]
    names = [dataset.classes[label - 1] for label in first.labels]
    assert sorted(zip(names, map(tuple, first.boxes.tolist()), strict=True)) == [
        ("nail", (10.0, 10.0, 30.0, 26.0)),
        ("wing nut", (40.0, 12.0, 70.0, 42.0)),
    ]
    if with_masks:
        for box, segmentation in zip(first.boxes.astype(int).tolist(), first.segmentations, strict=True):
            packed = to_rle(coco_segmentation(segmentation), first.height, first.width)
            mask = decode(Rle(size=[first.height, first.width], counts=packed["counts"].decode()))
            left, top, right, bottom = box
            assert mask.sum() == mask[top:bottom, left:right].sum() > 0.95 * (right - left) * (bottom - top)


@pytest.mark.parametrize("with_masks", [True, False])
def test_data_sets_are_read_back(infer: Infer, eyes: Any, with_masks: bool, caplog: pytest.LogCaptureFixture) -> None:
    eyes.with_masks = with_masks
    with caplog.at_level(logging.INFO, "mindrcnn"):
        assert infer("photos", save="coco-dataset,labelme") == 0
    (line,) = [message for message in caplog.messages if "data.train.annotations" in message]
    words = dict(word.split("=", 1) for word in line.split() if "=" in word)
    assert words["data.root"] == str(Path("photos").resolve())
    coco = read_set(words["data.root"], words["data.train.annotations"], words["data.train.images"])
    assert coco.classes == ("wing nut", "nail")  # by ascending id
    assert len(coco.records) == 3
    check_set(coco, with_masks=with_masks)
    check_set(read_set("found/labelme", "."), with_masks=with_masks)


def test_data_sets_of_frames_have_their_images(
    infer: Infer, make_video: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    make_video(tmp_path / "clip.mp4", 5)
    assert infer("clip.mp4", "photos/0.png", save="coco-dataset,labelme", every=2) == 0
    names = [f"clip_frame_{number:06}.jpg" for number in (0, 2, 4)]
    assert {path.name for path in Path("found/images/default").iterdir()} == set(names)
    annotated = json.loads(Path("found/annotations/instances_default.json").read_text())
    assert [image["id"] for image in annotated["images"]] == [1_000_001, 1_000_003, 1_000_005, 2]
    labelme = read_set("found/labelme", ".")
    assert sorted(record.path.name for record in labelme.records) == ["0.png", *names]
    assert all(record.path.is_file() for record in labelme.records)
    coco = read_set("found/images/default", str(Path("found/annotations/instances_default.json").resolve()), ".")
    assert all(record.path.is_file() for record in coco.records)
    assert [len(record.labels) for record in coco.records] == [1, 1, 1, 2]


def test_masks_and_crops(infer: Infer) -> None:
    assert infer("photos", save="masks,crops") == 0
    mask = np.asarray(Image.open("found/masks/0_001_wing nut.png"))
    assert mask.shape == (60, 80)
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[14:40, 42:68] == 255).all()
    assert Image.open("found/crops/wing nut/0_001.jpg").size == (30, 30)


def test_tables(infer: Infer) -> None:
    assert infer("photos", save="csv,counts") == 0
    head, *rows = table("found/predictions.csv")
    assert len(rows) == 3
    first = dict(zip(head, rows[0], strict=True))
    assert int(first.pop("mask_area")) > 850
    assert first == {
        **{"file": "photos/0.png", "frame": "", "seconds": "", "object": "1", "class": "wing nut"},
        **{"category_id": "3", "score": "0.98039216", "x_min": "40.0", "y_min": "12.0"},
        **{"width": "30.0", "height": "30.0"},
    }
    assert table("found/counts.csv") == [
        ["file", "frame", "seconds", "objects", "nail", "wing nut"],
        ["photos/0.png", "", "", "2", "1", "1"],
        ["photos/1.png", "", "", "0", "0", "0"],
        ["photos/2.png", "", "", "1", "1", "0"],
    ]


FORMULAS = ("=2+5", "+1", "-1", "@SUM(A1)", "\t=2+5", "\r=2+5", "\n=2+5", "\uff1d2+5")


def test_tables_hold_no_formulas(tmp_path: Path) -> None:
    names = ("nail=1", 'a"b', "a;=1\r=1", *FORMULAS)
    detections = Detections(
        boxes=np.array([[-9, -9, 4, 5]] * len(names), np.float32),
        scores=np.full(len(names), 1e-5, np.float32),
        labels=np.arange(1, len(names) + 1, dtype=np.int32),
        classes=names,
        category_ids=tuple(range(-1, len(names) - 1)),
        image_size=(60, 80),
    )
    entry: Any = SimpleNamespace(name="@1.png")
    found = Found(Named(entry, "@1", 1), None, None, None, detections)
    for kind in (ObjectTable, CountTable):
        with kind(Plan(folder=tmp_path, entries=())).open(Classes(names, detections.category_ids)) as add:
            add(found)
    safe = [*names[:3], *(f"'{name}" for name in FORMULAS)]
    _, *rows = table(str(tmp_path / "predictions.csv"))
    assert {row[0] for row in rows} == {"'@1.png"}
    assert [row[4] for row in rows] == safe
    assert rows[0][5:9] == ["-1", "1e-05", "-9.0", "-9.0"]  # numbers stay numbers
    assert '"a;=1\r=1"' in (tmp_path / "predictions.csv").read_bytes().decode()  # one cell where ";" parts cells too
    head, counts = table(str(tmp_path / "counts.csv"))
    assert head[4:] == safe
    assert counts[0] == "'@1.png"


@pytest.mark.parametrize("kind", ["masks", "crops", "labelme", "frames"])
def test_files_of_others_in_folders_stay(infer: Infer, kind: str) -> None:
    mine = Path("found") / kind / "mine.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(InputError, match=r"mine\.png: might be replaced, and MindRCNN did not write it; --force"):
        infer("photos", save=kind)
    assert infer("photos", save=kind, force=True) == 0
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["predictions.jsonl", "predictions.csv", "coco_results.json", "counts.csv"])
def test_other_files_of_the_same_name_stay(infer: Infer, name: str) -> None:
    Path("found").mkdir()
    (Path("found") / name).write_text("mine\n")
    with pytest.raises(InputError, match=f"{name}: would be replaced"):
        infer("photos", save="jsonl,csv,coco,counts")


def test_nothing_is_saved(infer: Infer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mindrcnn"):
        assert infer("photos", save="none") == 0
    assert not Path("found").exists()
    assert "all             3       3" in caplog.messages
    assert "3 images, not saved" in caplog.messages


def test_quiet(infer: Infer, capsys: pytest.CaptureFixture[str]) -> None:
    assert infer("photos", quiet=True) == 0
    assert capsys.readouterr().err == ""
    Path("photos/broken.png").write_text("no picture")
    assert infer("photos", quiet=True) == 3
    assert "broken.png" in capsys.readouterr().err


def test_the_style_reaches_the_pictures(infer: Infer) -> None:
    pictures = []
    for style in (Style(), Style(labels=False, scores=False, line_width=5)):
        assert infer("photos/0.png", save="pictures", style=style) == 0
        pictures.append(np.asarray(Image.open("found/0.jpg")).astype(int))
    assert (np.abs(pictures[0] - pictures[1]) > 60).any()


class TestVideo:
    @pytest.fixture
    def clip(self, make_video: Callable[[Path, int], Path], tmp_path: Path) -> Path:
        return make_video(tmp_path / "clip.mp4", 8)

    def test_it_is_drawn_and_its_frames_have_lines(self, infer: Infer, clip: Path) -> None:
        assert infer("clip.mp4", save="pictures,jsonl,frames", every=2) == 0
        facts = video_facts(Path("found/clip.mp4"))
        assert (facts.rate, facts.frames) == (5.0, 4)
        lines = [json.loads(line) for line in Path("found/predictions.jsonl").read_text().splitlines()]
        assert [(line["file"], line["frame"], line["seconds"]) for line in lines] == [
            ("clip.mp4", number, number / 10) for number in (0, 2, 4, 6)
        ]
        assert lines[3]["predictions"][0]["bbox"]["x_min"] == pytest.approx(17, abs=2)
        drawn = [frame.image() for frame in read_video(Path("found/clip.mp4"))]
        plain = [frame.image() for frame in read_video(clip, every=2)]
        assert all((np.abs(one.astype(int) - other) > 60).any() for one, other in zip(drawn, plain, strict=True))
        assert {path.name for path in Path("found/frames").iterdir()} == {
            f"clip_frame_{number:06}.jpg" for number in (0, 2, 4, 6)
        }
        assert infer("clip.mp4", save="pictures") == 0  # its own video is replaced
        Path("found/clip.mp4").write_bytes(clip.read_bytes())
        with pytest.raises(InputError, match=r"found/clip\.mp4: would be replaced"):
            infer("clip.mp4", save="pictures")

    def test_a_broken_one_is_skipped(self, infer: Infer, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Path("photos/broken.mp4").write_text("no video")
        assert infer("photos") == 3
        assert "skipped: photos/broken.mp4: wanted a video" in capsys.readouterr().err
        assert len(json.loads(Path("found/predictions.json").read_text())["images"]) == 3


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ([], DEFAULT),
        (["--save", "none"], ("none",)),
        (["--save", "csv, coco", "--save=jsonl"], ("csv", "coco", "jsonl")),
    ],
)
def test_save_on_the_command_line(words: list[str], kinds: tuple[str, ...]) -> None:
    arguments = program.parse_arguments(["a.ckpt", "-", *words, "-q", "--shard", "3/16", "--hide-labels"])
    assert tuple(arguments.save) == kinds
    assert (arguments.images, arguments.quiet, arguments.shard) == (["-"], True, (3, 16))
    assert program.SAVED == NAMES
    assert program.DEFAULT == DEFAULT


def test_kinds_that_do_not_exist_or_go_together() -> None:
    assert check_kinds(["none"]) == ()
    assert check_kinds(["csv", "coco", "csv"]) == ("csv", "coco")
    with pytest.raises(InputError, match=r"--save: wanted any of pictures, json, .*, got 'xml'"):
        check_kinds(["xml"])
    with pytest.raises(InputError, match="wanted none alone, got csv, none"):
        check_kinds(["csv", "none"])
