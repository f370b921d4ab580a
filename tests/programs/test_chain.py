"""Train, evaluate and infer one after another, each as a user starts it; and what they leave on disk."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pycocotools import mask as mask_api

from mindrcnn.datasets.demo import CATEGORY_IDS

Program = Callable[..., Any]

pytestmark = pytest.mark.slow

RUN_FILES = {
    "config.yaml",
    "train.log",
    "metrics.jsonl",
    "curves.png",
    "first_batch.jpg",
    "last.ckpt",
    "previous.ckpt",
    "best.ckpt",
    "eval/results.json",
    "eval/metrics.json",
    "eval/tables.txt",
    "eval/report.html",
    "eval/report.json",
    "eval/score_best_f1.json",
    "eval/score_precision.json",
}
WORRYING = ("WARNING", "ERROR", "CRITICAL", "Warning", "deprecated", "Traceback")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the chain runs in."""
    return tmp_path_factory.mktemp("chain")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def worries(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if any(word in line for word in WORRYING)]


def test_train(trained_by_train_py: Path, work: Path, files_under: Callable[[Path], set[str]]) -> None:
    shutil.copytree(trained_by_train_py / "run", work / "run")
    stderr = (trained_by_train_py / "stderr").read_text()
    assert worries(stderr) == []
    files = files_under(work / "run")
    pictures = {file for file in files if file.startswith("eval/pictures/")}
    assert files - pictures == RUN_FILES
    assert len(pictures) == 2
    rows = [json.loads(line) for line in (work / "run/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [1, 2, 3, 4, 5, 6]
    assert [row["epoch"] for row in rows if row["kind"] == "eval"] == [1, 2]
    assert "log_every: 1" in (work / "run/config.yaml").read_text()
    assert stderr.count("| loss ") == 6  # the steps
    assert stderr.count("| mean loss ") == 2  # the epochs
    assert (work / "run/curves.png").read_bytes().startswith(b"\x89PNG")


def test_eval_of_the_checkpoint_alone(program: Program, work: Path) -> None:
    """last.ckpt is what the training evaluated last, so everything it left has to come out again."""
    shutil.copytree(work / "run/eval", work / "by_training")
    moved = shutil.copy(work / "run/last.ckpt", work / "moved.ckpt")
    outcome = program("eval.py", moved, "--out", "by_eval", "eval.pictures=1", folder=work)
    assert outcome.status == 0, outcome.stderr
    assert worries(outcome.stderr) == []
    assert read_json(work / "by_eval/results.json") == read_json(work / "by_training/results.json")
    by_training = read_json(work / "by_training/metrics.json")
    assert by_training.pop("report")["kinds"].keys() == by_training.keys()
    assert read_json(work / "by_eval/metrics.json") == by_training
    assert len(list((work / "by_eval/pictures").iterdir())) == 1
    assert outcome.stdout.count(" Average ") == 24
    assert {
        line.split()[0] for line in outcome.stdout.split("class  ")[1].splitlines()[2:][: len(CATEGORY_IDS)]
    } == set(CATEGORY_IDS)
    metrics = read_json(work / "by_eval/metrics.json")
    rows = [json.loads(line) for line in (work / "run/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["metrics"]["segm_AP"] == metrics["segm"]["AP"]
    assert rows[-1]["metrics"]["bbox_AP50"] == metrics["bbox"]["AP50"]


def test_eval_of_saved_results(program: Program, work: Path, tiny: Path) -> None:
    options = ("--results", "by_eval/results.json", "--config", tiny, "--out", "by_results")
    outcome = program("eval.py", *options, "eval.pictures=0", folder=work)
    assert outcome.status == 0, outcome.stderr
    assert read_json(work / "by_results/metrics.json") == read_json(work / "by_eval/metrics.json")


def test_infer_on_a_folder_with_a_broken_file(program: Program, work: Path, demo: Path) -> None:
    photos = work / "photos"
    shutil.copytree(demo / "val", photos)
    (photos / "000002.jpg").write_bytes((photos / "000002.jpg").read_bytes()[:600])
    names = ("ring", "star", "square")
    outcome = program(
        "infer.py", "run/best.ckpt", "photos", "--score", "0", "--out", "found", "--classes", ",".join(names),
        "eval.mask_thresh=0.3", folder=work,
    )  # fmt: skip
    assert outcome.status == 3, outcome.stderr
    (skipped,) = (line for line in outcome.stderr.splitlines() if "skipped: " in line)
    assert "photos/000002.jpg" in skipped
    assert {path.name for path in (work / "found").iterdir()} == {
        "predictions.json", "000001.jpg", "000003.jpg", "000004.jpg"
    }  # fmt: skip
    document = read_json(work / "found/predictions.json")
    assert set(document) == {"comment", "images"}
    assert [Path(image["file"]).name for image in document["images"]] == ["000001.jpg", "000003.jpg", "000004.jpg"]
    sizes = {
        image["file_name"]: (image["height"], image["width"])
        for image in read_json(demo / "annotations/instances_val.json")["images"]
    }
    found = [prediction for image in document["images"] for prediction in image["predictions"]]
    assert found
    for image in document["images"]:
        assert (image["height"], image["width"]) == sizes[Path(image["file"]).name]
        for prediction in image["predictions"]:
            check_prediction(prediction, image["height"], image["width"], names)
    check_score_threshold(program, work, sorted(prediction["score"] for prediction in found), names)


def check_prediction(prediction: dict[str, Any], height: int, width: int, names: tuple[str, ...]) -> None:
    assert set(prediction) == {"bbox", "class", "mask", "score"}
    box, named = prediction["bbox"], prediction["class"]
    assert set(box) == {"x_min", "y_min", "width", "height"}
    assert 0 <= box["x_min"] <= box["x_min"] + box["width"] <= width + 0.01
    assert 0 <= box["y_min"] <= box["y_min"] + box["height"] <= height + 0.01
    assert named["name"] in names
    assert named == {
        "label": list(CATEGORY_IDS).index(named["name"]) + 1,
        "category_id": CATEGORY_IDS[named["name"]],
        "name": named["name"],
    }
    assert prediction["mask"]["size"] == [height, width]
    assert mask_api.decode(prediction["mask"]).shape == (height, width)
    assert 0 <= prediction["score"] <= 1


def check_score_threshold(program: Program, work: Path, scores: list[float], names: tuple[str, ...]) -> None:
    """The middle score keeps the upper half; also one image named by a glob, and exit status 0."""
    middle = scores[len(scores) // 2]
    outcome = program(
        "infer.py", "run/best.ckpt", "photos/000001.jpg", "photos/00000[34].jpg",
        "--score", middle, "--classes", ",".join(names), "--out", "halved", "eval.mask_thresh=0.3", folder=work,
    )  # fmt: skip
    assert outcome.status == 0, outcome.stderr
    assert worries(outcome.stderr) == []
    document = read_json(work / "halved/predictions.json")
    kept = sorted(prediction["score"] for image in document["images"] for prediction in image["predictions"])
    assert kept == pytest.approx([score for score in scores if score >= middle], abs=1e-6)
