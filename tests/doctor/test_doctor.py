import copy
import json
import re

import cv2
import numpy as np
import pytest

from mindrcnn.data.formats.layout import SplitFiles
from mindrcnn.data.formats.mindrecord.convert import Source, convert
from mindrcnn.data.survey import Survey
from mindrcnn.doctor.histograms import draw_histograms
from mindrcnn.programs.doctor import main


@pytest.fixture
def doctor(tmp_path, capsys):
    """Runs the program on the files of write_coco; returns (exit status, report as JSON, report as text)."""
    config = tmp_path / "config.yaml"
    config.write_text("model: {mask: {type: mask_rcnn}}\n")

    def run(*overrides, annotations="annotations.json", masks=True):
        written = tmp_path / "report.json"
        arguments = [str(config), f"data.root={tmp_path}", f"data.train.annotations={annotations}"]
        arguments += ["data.train.images=images", "--json", str(written), *([] if masks else ["model.mask=null"])]
        status = main([*arguments, *overrides])
        output = capsys.readouterr()
        return status, json.loads(written.read_text()) if status < 2 else None, output.out + output.err

    return run


def counts(report, level="errors"):
    return {name: finding["count"] for name, finding in report[level].items()}


def test_a_sound_data_set(content, write_coco, doctor, tmp_path):
    write_coco(content)
    status, report, text = doctor("--picture", str(tmp_path / "sizes.png"))
    assert status == 0
    assert report["errors"] == {}
    assert counts(report, "warnings") == {"unused_class": 1, "crowd_share": 1}  # of fig there is only a crowd
    assert (report["images"], report["objects"], report["crowds"], report["decoded_images"]) == (2, 3, 1, 2)
    assert [(one["name"], one["category_id"], one["objects"]) for one in report["classes"]] == [
        ("fig", 2, 0),
        ("plum", 17, 1),
        ("pear", 90, 1),
    ]
    assert report["distributions"]["image width"][0] == 30
    assert report["distributions"]["object width"][-1] == 20
    assert "Training would not fail." in text
    assert cv2.imread(str(tmp_path / "sizes.png")).shape == (800, 1200, 3)


def edit(table, index, **changes):
    return lambda content: content[table][index].update(changes)


def repeat(table, index, **changes):
    return lambda content: content[table].append({**copy.deepcopy(content[table][index]), **changes})


SQUARE = [[5, 10, 25, 10, 25, 40, 5, 40]]

ERRORS = {
    "malformed box": (edit("annotations", 0, bbox=[1, 2]), {"malformed": 1}, "annotation id 11: bbox: wanted four"),
    "malformed id": (edit("annotations", 1, id=""), {"malformed": 1}, "annotation id : id: wanted a whole number"),
    "annotation id": (repeat("annotations", 0), {"repeated": 1}, "got annotation id 11 2 times"),
    "image id": (repeat("images", 0), {"repeated": 1}, "got image id 70 2 times"),
    "unknown image": (repeat("annotations", 0, id=1, image_id=9), {"unknown_image": 1}, "annotation id 1: image_id 9"),
    "unknown category": (
        edit("annotations", 0, category_id=9),
        {"unknown_category": 1},
        "annotation id 11: category_id 9",
    ),
    "category name": (edit("categories", 0, name="fig"), {"classes": 1}, "wanted every name once, got fig"),
    "mask": (edit("annotations", 0, segmentation=[[1, 2, 3]]), {"mask": 1}, "annotation id 11 .*pairs, got \\[3\\]"),
    "mask size": (
        edit("annotations", 1, segmentation={"size": [60, 40], "counts": [0, 8, 2392]}),
        {"mask": 1},
        r"annotation id 5 .*\[40, 60\], got \[60, 40\]",
    ),
    "no mask": (edit("annotations", 0, segmentation=[]), {"no_mask": 1}, "annotation id 11: no segmentation"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name, content, write_coco, doctor):
    change, expected, message = ERRORS[name]
    annotations, _ = write_coco(content)
    change(content)
    annotations.write_text(json.dumps(content))
    status, report, text = doctor("--no-decode")
    assert status == 1
    assert counts(report) == expected
    (finding,) = report["errors"].values()
    assert len(finding["examples"]) == 1
    assert re.search(message, finding["examples"][0])
    assert finding["examples"][0] in text
    assert report["decoded_images"] is None


WARNINGS = {
    "outside": (repeat("annotations", 0, id=1, bbox=[-5, 0, 20, 20]), {"outside": 1}, 4),
    "half a pixel outside": (repeat("annotations", 0, id=1, bbox=[-0.5, 0, 20, 20]), {}, 4),
    "no area": (repeat("annotations", 0, id=1, bbox=[5, 5, 0, 20]), {"degenerate": 1}, 3),
    "elsewhere": (repeat("annotations", 0, id=1, bbox=[500, 5, 20, 20]), {"degenerate": 1}, 3),
    "two corners": (repeat("annotations", 0, id=1, segmentation=[[1, 2, 3, 4]]), {"few_corners": 1}, 3),
    "one part of two": (edit("annotations", 0, segmentation=[*SQUARE, [1, 2]]), {"few_corners": 1}, 3),
    "twice": (repeat("annotations", 0, id=1), {"twice": 1}, 4),
    "no objects": (edit("annotations", 0, image_id=70, segmentation=SQUARE), {"empty": 1}, 3),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_warnings(name, content, write_coco, doctor):
    change, expected, objects = WARNINGS[name]
    annotations, _ = write_coco(content)
    content["annotations"][1]["iscrowd"] = 0
    change(content)
    annotations.write_text(json.dumps(content))
    status, report, _ = doctor("--no-decode")
    assert (status, counts(report, "warnings"), report["objects"]) == (0, expected, objects)


def test_images_that_are_missing_or_cannot_be_read(content, write_coco, doctor):
    for index in range(8):
        content["images"].append({"id": 100 + index, "file_name": f"{index}.png", "height": 20, "width": 20})
    _, images = write_coco(content)
    (images / "0.png").unlink()
    (images / "1.png").write_bytes((images / "1.png").read_bytes()[:50])
    cv2.imwrite(str(images / "2.png"), np.zeros((20, 21, 3), np.uint8))
    status, report, text = doctor()
    assert status == 1
    assert counts(report) == {"missing": 1, "unreadable": 2}
    assert report["errors"]["missing"]["examples"] == [str(images / "0.png")]
    first, second = report["errors"]["unreadable"]["examples"]
    assert "1.png: wanted a readable image" in first
    assert "2.png: the annotation says height 20 and width 20, the file has height 20 and width 21" in second
    assert report["decoded_images"] == 9
    assert report["warnings"]["empty"]["count"] == 8
    assert len(report["warnings"]["empty"]["examples"]) == 5
    assert "Training would fail." in text


def test_more_objects_than_slots_and_masks_that_nobody_needs(content, write_coco, doctor):
    del content["annotations"][0]["segmentation"]
    write_coco(content)
    status, report, _ = doctor("data.max_objects=1", "--no-decode", masks=False)
    assert status == 0
    assert report["warnings"]["crowded"]["examples"] == ["a.png: 2 objects"]


def test_a_class_list_that_does_not_fit(content, write_coco, doctor):
    write_coco(content)
    status, report, _ = doctor("data.classes=[peer]", "--no-decode")
    assert status == 1
    assert "'peer' (nearest: pear)" in report["errors"]["classes"]["examples"][0]


def test_no_objects_at_all(content, write_coco, doctor):
    content["annotations"] = []
    write_coco(content)
    status, report, _ = doctor("--no-decode")
    assert status == 1
    assert counts(report) == {"no_objects": 1}


def test_a_txt_list(content, write_coco, doctor, tmp_path):
    write_coco(content)
    rows = ["a.png 1,2,30,20,fig 50,5,90,20,fig 5,5,5,9,fig", "b.png 1,2,3,fig", "a.png", "c.png 1,2,3,4,fig", "b.png"]
    (tmp_path / "list.txt").write_text("\n".join(rows))
    options = ("data.train.format=txt", "data.classes=[fig]")
    status, report, text = doctor(*options, annotations="list.txt", masks=False)
    assert status == 1
    assert counts(report) == {"malformed": 1, "repeated": 1, "missing": 1}
    assert counts(report, "warnings") == {"degenerate": 1, "outside": 1, "empty": 2}
    assert (report["images"], report["objects"], report["decoded_images"]) == (3, 2, 2)
    assert "line 1: x1, y1, x2, y2 = 5, 5, 5, 9 in an image of 60 x 40" in text
    val = [option.replace("train", "val") for option in options]
    status, report, _ = doctor("--split", "val", *val, "data.val.annotations=list.txt", "data.val.images=images")
    assert counts(report)["no_mask"] == 2


def test_converted_data(content, write_coco, doctor, tmp_path):
    annotations, images = write_coco(content)
    convert(Source(files=SplitFiles(annotations, images)), tmp_path / "converted", shards=1, workers=0)
    status, report, _ = doctor("data.train.format=mindrecord", annotations="converted")
    assert status == 0
    assert (report["images"], report["objects"], report["crowds"], report["decoded_images"]) == (2, 3, 1, 2)
    (tmp_path / "converted/shard-00000-of-00001.npz").unlink()
    status, _, text = doctor("data.train.format=mindrecord", annotations="converted")
    assert status == 2
    assert "shard-00000-of-00001.npz: cannot be read" in text


def test_a_file_that_is_no_json_and_a_missing_one(write_coco, content, doctor):
    annotations, _ = write_coco(content)
    annotations.write_text("{")
    status, _, text = doctor()
    assert status == 2
    assert "not JSON" in text
    assert doctor(annotations="none.json")[0] == 2


def test_histograms_of_nothing(tmp_path):
    nothing = Survey(
        source=tmp_path,
        names=[],
        sizes=np.zeros((0, 2), np.int32),
        image=np.zeros(0, np.int64),
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int64),
        crowd=np.zeros(0, bool),
        classes=(),
        category_ids=(),
    )
    draw_histograms(nothing, tmp_path / "sizes.png")
    assert (tmp_path / "sizes.png").stat().st_size > 0


def test_outputs_never_replace_the_data_set(content, write_coco, doctor, tmp_path, capsys):
    annotations, images = write_coco(content)
    before = annotations.read_bytes()
    config = str(tmp_path / "config.yaml")
    data = [f"data.root={tmp_path}", "data.train.annotations=annotations.json", "data.train.images=images"]
    for option, file in (
        ("--json", annotations),
        ("--picture", images / "a.png"),
        ("--json", tmp_path / "config.yaml"),
    ):
        assert main([config, *data, "--no-decode", option, str(file)]) == 2
        assert file.name in capsys.readouterr().err
    assert annotations.read_bytes() == before
    for _ in range(2):
        assert doctor("--no-decode", "--picture", str(tmp_path / "sizes.png"))[0] == 0


def test_the_validation_split_has_the_classes_of_training(content, write_coco, doctor, tmp_path):
    write_coco(content)
    more = copy.deepcopy(content)
    more["categories"].append({"id": 5, "name": "kiwi"})
    more["annotations"][0]["category_id"] = 5
    (tmp_path / "val.json").write_text(json.dumps(more))
    val = ("data.val.annotations=val.json", "data.val.images=images", "--split", "val", "--no-decode")
    status, report, _ = doctor(*val)
    assert status == 1
    assert "categories outside the class list: kiwi" in report["errors"]["classes"]["examples"][0]
    status, report, text = doctor(*val[:2], "--no-decode")
    assert status == 1
    assert "categories outside the class list: kiwi" in report["errors"]["val_split"]["examples"][0]
    assert "--split val says more" in text
    status, report, _ = doctor(*val, "data.ignore_other_categories=true")
    assert (status, [one["name"] for one in report["classes"]]) == (0, ["fig", "plum", "pear"])
    status, report, _ = doctor(*val, annotations="none.json")
    assert status == 1
    assert "none.json: no such annotation file" in report["errors"]["train_split"]["examples"][0]


def test_a_validation_split_may_have_nothing_to_find(content, write_coco, doctor, tmp_path):
    write_coco(content)
    content["annotations"] = []
    (tmp_path / "val.json").write_text(json.dumps(content))
    options = ("data.val.annotations=val.json", "data.val.images=images", "--split", "val", "--no-decode")
    status, report, _ = doctor(*options)
    assert (status, counts(report, "warnings")["nothing_to_find"]) == (0, 1)
    status, report, _ = doctor(*options[:2], "--no-decode")  # training needs something to find
    assert (status, counts(report)) == (1, {"val_split": 1})
