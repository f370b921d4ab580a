"""Splitting a COCO file in two."""

import json

import pytest

from mindrcnn.programs.subset import main

IMAGES = [{"id": 10 + number, "file_name": f"{number}.jpg"} for number in range(6)]
# image 10 + n has n objects; image 15's are crowds
OBJECTS = [
    {"id": 100 * number + index, "image_id": 10 + number, "category_id": 3, "iscrowd": int(number == 5)}
    for number in range(6)
    for index in range(number)
]
CONTENT = {"info": {"year": 1}, "images": IMAGES, "annotations": OBJECTS, "categories": [{"id": 3, "name": "a"}]}


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "all.json"
    path.write_text(json.dumps(CONTENT))
    return path


def image_ids(path):
    return {image["id"] for image in json.loads(path.read_text())["images"]}


def test_every_image_is_on_one_side_with_its_objects(source, tmp_path):
    out, rest = tmp_path / "out.json", tmp_path / "rest.json"
    assert main([str(source), "--images", "2", "--out", str(out), "--rest", str(rest)]) == 0
    assert len(image_ids(out)) == 2
    assert image_ids(out) | image_ids(rest) == {image["id"] for image in IMAGES}
    for path in (out, rest):
        content = json.loads(path.read_text())
        assert content["info"] == CONTENT["info"]
        assert content["categories"] == CONTENT["categories"]
        assert content["annotations"] == [one for one in OBJECTS if one["image_id"] in image_ids(path)]


def test_the_seed_decides(source, tmp_path):
    chosen = []
    for seed in ("0", "0", "1", "2", "3"):
        out = tmp_path / "out.json"
        main([str(source), "--images", "3", "--seed", seed, "--out", str(out)])
        chosen.append(frozenset(image_ids(out)))
    assert chosen[0] == chosen[1]
    assert len(set(chosen)) > 1


def test_crowds_do_not_count_as_objects(source, tmp_path):
    out = tmp_path / "out.json"
    assert main([str(source), "--images", "2", "--min-objects", "3", "--out", str(out)]) == 0
    assert image_ids(out) == {13, 14}


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (
            json.dumps(CONTENT),
            ["--images", "3", "--min-objects", "3"],
            "wanted 3 images with at least 3 objects, got 2",
        ),
        ("[1", ["--images", "1"], "wanted COCO JSON"),
        (json.dumps({"images": []}), ["--images", "1"], "wanted COCO JSON"),
        (None, ["--images", "1"], "cannot be read"),
    ],
)
def test_what_cannot_be_cut(tmp_path, capsys, text, arguments, message):
    source, out = tmp_path / "all.json", tmp_path / "out.json"
    if text is not None:
        source.write_text(text)
    assert main([str(source), "--out", str(out), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def classes_of(path):
    content = json.loads(path.read_text())
    return [sum(one["category_id"] == category for one in content["annotations"]) for category in (1, 2, 3)]


@pytest.fixture
def classes(tmp_path):
    """60 frames of 12 videos; class 3 is rare, and its objects are in two videos."""
    images = [{"id": f"f{number}", "file_name": f"video{number // 5}_frame{number}.jpg"} for number in range(60)]
    objects = [
        {"id": 100 * number + index, "image_id": f"f{number}", "category_id": category}
        for number in range(60)
        for index, category in enumerate([1, 1] + [2] * (number % 3 == 0) + [3] * (number in (3, 4, 58, 59)))
    ]
    path = tmp_path / "all.json"
    categories = [{"id": one, "name": f"c{one}"} for one in (1, 2, 3)]
    path.write_text(json.dumps({"images": images, "annotations": objects, "categories": categories}))
    return path


@pytest.mark.parametrize("amount", ["25%", "0.25", "15"])
def test_every_class_is_divided_in_the_same_proportion(classes, tmp_path, amount, capsys):
    out, rest = tmp_path / "val.json", tmp_path / "train.json"
    assert main([str(classes), "--images", amount, "--stratify", "--out", str(out), "--rest", str(rest)]) == 0
    assert len(image_ids(out)) == 15
    assert classes_of(out) == [30, 5, 1]
    assert classes_of(rest) == [90, 15, 3]
    assert "val.json: 15 images, 36 objects\n    c1 30 (25%), c2 5 (25%), c3 1 (25%)" in capsys.readouterr().out


def test_groups_stay_together(classes, tmp_path):
    out, rest = tmp_path / "val.json", tmp_path / "train.json"
    words = [str(classes), "--images=50%", "--stratify", "--out", str(out), "--rest", str(rest)]
    assert main([*words, "--group", r"^(video\d+)_"]) == 0
    videos = [{int(one[1:]) // 5 for one in image_ids(path)} for path in (out, rest)]
    assert not videos[0] & videos[1]
    assert [len(one) for one in videos] == [6, 6]
    assert classes_of(out)[2] == classes_of(rest)[2] == 2
    assert main([*words, "--group", "("]) == 2


def test_folds_hold_out_every_image_once(classes, tmp_path, capsys):
    words = [str(classes), "--folds", "4", "--stratify", "--out", str(tmp_path / "folds")]
    assert main(words) == 0
    held_out = [image_ids(tmp_path / f"folds/fold-{fold}-val.json") for fold in range(1, 5)]
    assert sorted(len(one) for one in held_out) == [15] * 4
    assert len(set().union(*held_out)) == 60
    for fold, ids in enumerate(held_out, start=1):
        assert image_ids(tmp_path / f"folds/fold-{fold}-train.json").isdisjoint(ids)
        assert classes_of(tmp_path / f"folds/fold-{fold}-val.json")[2] == 1
    capsys.readouterr()
    assert main([*words, "--group", "video"]) == 2
    assert "wanted at least 4 groups of images for as many folds, got 1" in capsys.readouterr().err


def test_amounts_that_are_none(classes, tmp_path, capsys):
    for amount in ("1.5", "x", "-3", "120%"):
        assert main([str(classes), f"--images={amount}", "--out", str(tmp_path / "o.json")]) == 2
        assert "wanted a number of images, or a share such as 0.2 or 20%" in capsys.readouterr().err
