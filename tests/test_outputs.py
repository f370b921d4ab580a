"""No program replaces an input, or a file that MindRCNN did not write, unless it is told to."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mindrcnn.datasets.demo import make_demo
from mindrcnn.drawing.pictures import write_picture
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.metrics import ClassMetrics, Metrics
from mindrcnn.evaluation.coco.report import is_metrics, write_metrics
from mindrcnn.evaluation.coco.results import is_results, read_results, write_results
from mindrcnn.outputs import MARK, Output, is_marked, never, protect
from mindrcnn.programs import convert, mindrecord, subset

FOREIGN = "my notes\n"
CONTENT = {"images": [{"id": 1}, {"id": 2}], "annotations": [], "categories": []}


def test_what_protect_refuses(tmp_path):
    old, new, ours = (tmp_path / name for name in ("old.txt", "new.txt", "ours.txt"))
    old.write_text(FOREIGN)
    ours.write_text(f"{MARK}\n")
    protect([Output(new), Output(ours)])
    for outputs, message in (
        ([Output(old)], "old.txt: would be replaced, and MindRCNN did not write it; --force replaces it"),
        ([Output(ours, never)], "ours.txt: would be replaced"),
        ([Output(new), Output(tmp_path / "x" / ".." / "new.txt")], "wanted a different file for each output"),
        ([Output(tmp_path)], "wanted a file to write, got a folder"),
        ([Output(Path("/dev/null"))], "wanted a file to write, got a device"),
    ):
        with pytest.raises(InputError, match=message):
            protect(outputs)
    link = tmp_path / "link.txt"
    link.symlink_to(ours)
    for name in (ours, link):
        with pytest.raises(InputError, match="wanted an output that is not an input too; --force"):
            protect([Output(name)], inputs=[ours])
    protect([Output(old), Output(ours)], inputs=[ours], force=True)
    os.mkfifo(tmp_path / "pipe")
    for outputs, message in (
        ([Output(new), Output(new)], "got this one twice"),
        ([Output(Path("/dev/null"))], "got a device"),
        ([Output(tmp_path / "pipe")], "got a pipe"),
    ):
        with pytest.raises(InputError, match=message):
            protect(outputs, force=True)


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.png"])
def test_pictures_are_marked_and_stay_what_they_are(name, tmp_path):
    pixels = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)
    write_picture(tmp_path / name, pixels)
    assert is_marked(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        image.load()
        assert image.size == (30, 40)
        assert MARK in (image.info["Software"] if name.endswith("png") else image.info["comment"].decode())
        if name.endswith("png"):
            np.testing.assert_array_equal(np.asarray(image), pixels)


def test_results_and_metrics_are_known_by_their_form(tmp_path):
    path = tmp_path / "results.json"
    entry = {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    for entries in ([], [entry], [entry, entry]):
        write_results(path, entries)
        assert is_results(path)
        assert read_results(path, image_sizes={3: (9, 9)}, category_ids=[1]) == entries
        path.write_text(json.dumps(entries))
        assert not is_results(path)
    metrics = Metrics("bbox", {"AP": 0.5}, (ClassMetrics("a", 1, 0.5, 0.5, 2),), 1, "")
    for extra in (None, {"split": "val"}):
        write_metrics(path, [metrics], extra=extra)
        assert is_metrics(path)
    path.write_text('{"AP": 0.5}')
    assert not is_metrics(path)


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("all.json").write_text(json.dumps(CONTENT))
    Path("mine.txt").write_text(FOREIGN)
    return "all.json"


def test_subset(source, capsys):
    for arguments, message in (
        (["--out", "all.json"], "all.json: wanted an output that is not an input too"),
        (["--out", "o.json", "--rest", "./all.json"], "all.json: wanted an output that is not an input too"),
        (["--out", "o.json", "--rest", "o.json"], "o.json: wanted a different file for each output"),
        (["--out", "mine.txt"], "mine.txt: would be replaced"),
        (["--out", "o.json", "--rest", "mine.txt"], "mine.txt: would be replaced"),
    ):
        assert subset.main([source, "--images", "1", *arguments]) == 2
        assert message in capsys.readouterr().err
        assert not Path("o.json").exists()
    assert json.loads(Path(source).read_text()) == CONTENT
    assert Path("mine.txt").read_text() == FOREIGN
    for _ in range(2):
        assert subset.main([source, "--images", "1", "--out", "o.json", "--rest", "r.json"]) == 0
    assert subset.main(["o.json", "--images", "1", "--out", "o.json"]) == 2
    assert subset.main([source, "--images", "1", "--out", "mine.txt", "--force"]) == 0
    assert list(json.loads(Path("mine.txt").read_text())) == ["comment", *CONTENT]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\ufeff" + json.dumps(CONTENT), ""),
        (
            json.dumps(CONTENT | {"annotations": [{"id": 5, "category_id": 1}]}),
            "annotation id 5: wanted a key 'image_id'",
        ),
        (json.dumps(CONTENT | {"annotations": [{"image_id": 1, "iscrowd": "x"}]}), "annotation number 1: iscrowd"),
        (json.dumps(CONTENT | {"images": [{"id": [1]}]}), r"image id [1]: id: wanted a whole number"),
        (json.dumps(CONTENT | {"images": [1]}), "wanted COCO JSON with the list 'images' of objects"),
    ],
)
def test_files_that_subset_reads(text, message, source, capsys):
    Path(source).write_text(text, encoding="utf-8")
    assert subset.main([source, "--images", "1", "--out", "o.json"]) == (2 if message else 0)
    assert message in capsys.readouterr().err


def test_convert(source, capsys):
    Path("own.yaml").write_text("name: x\n")
    Path("own.report.txt").write_text(FOREIGN)
    for arguments, message in (
        (["w.npz", "mine.ckpt", "--config", "mine.yaml"], "mine.yaml: wanted an output that is not an input too"),
        (["w.npz", "own.ckpt"], "own.yaml: would be replaced"),
        (["a.ckpt", "mine.txt", "--to", "detectron2"], "mine.txt: would be replaced"),
        (["a.ckpt", "a.ckpt"], "a.ckpt: wanted an output that is not an input too"),
    ):
        Path("mine.yaml").write_text(f"# {MARK}\n")
        Path("a.ckpt").write_bytes(b"x")
        assert convert.main(arguments) == 2
        assert message in capsys.readouterr().err
    assert Path("own.yaml").read_text() == "name: x\n"


def test_mindrecord(source, capsys):
    Path("out").mkdir()
    Path("out/index.json").write_text("{}")
    assert mindrecord.main([source, "--images", ".", "--out", "out"]) == 2
    assert "index.json: would be replaced" in capsys.readouterr().err
    assert Path("out/index.json").read_text() == "{}"


def test_demo(tmp_path):
    sizes = {"train_images": 1, "val_images": 1, "size": 48}
    for file in ("val/000001.jpg", "annotations/instances_train.json"):
        own = tmp_path / file
        own.parent.mkdir(exist_ok=True)
        own.write_text(FOREIGN)
        with pytest.raises(InputError, match=f"{own.name}: would be replaced"):
            make_demo(tmp_path, **sizes)
        assert own.read_text() == FOREIGN
        own.unlink()
    for _ in range(2):
        make_demo(tmp_path, **sizes)


def test_infer_export_and_compare_masks(source):
    from mindrcnn.tasks.export import export
    from mindrcnn.tasks.inference import infer
    from mindrcnn.tasks.mask_comparison import compare_masks

    Image.new("RGB", (4, 4)).save("im1.png")
    Image.new("RGB", (4, 4)).save("im1.jpg")
    Path("found").mkdir()
    Path("found/predictions.json").write_text("[]")
    Path("x.mindir").write_text(FOREIGN)
    options = {"score_thresh": 0.5, "class_names": []}
    for out, message in (("found", "predictions.json: would be replaced"), (".", "im1.jpg: would be replaced")):
        with pytest.raises(InputError, match=message):
            infer(Path("no.ckpt"), ["im1.png"], [], out=Path(out), **options)
    with pytest.raises(InputError, match="checkpoint: wanted an existing"):
        infer(Path("no.ckpt"), ["im1.png"], [], out=Path("found"), force=True, **options)
    with pytest.raises(InputError, match="mindir: would be replaced"):
        export(Path("no.ckpt"), [], file_format="MINDIR", out=Path("x.mindir"), size=None, batch=1)
    with pytest.raises(InputError, match=r"im1\.png: would be replaced"):
        compare_masks(Path(source), Path("."), ["a=r.json"], count=1, out=Path("im1.png"))
