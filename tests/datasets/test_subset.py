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
