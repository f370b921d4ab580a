"""Reports on saved results, on evaluations, and at the end of training, with a stand-in for the detector."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mindrcnn import predictor
from mindrcnn.errors import InputError
from mindrcnn.programs.report import parse_arguments, start
from mindrcnn.tasks import training
from mindrcnn.tasks.evaluation import evaluate_checkpoint
from mindrcnn.tasks.inference import infer
from mindrcnn.tasks.training import report_at_end

Call = Callable[[Callable[[], int]], Any]

FILES = {"report.html", "report.json", "score_best_f1.json", "score_precision.json"}


def report(call: Call, *words: object) -> Any:
    return call(lambda: start(parse_arguments([str(word) for word in words])))


def test_an_evaluation_its_report_a_comparison_and_inference_from_its_thresholds(
    call: Call, untrained: Path, tiny: Path, demo: Path, every_class_once: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)
    done = call(lambda: evaluate_checkpoint(untrained, ["eval.report=true"], Path("run/eval")))
    assert done.status == 0, done.stderr
    assert {path.name for path in Path("run/eval").iterdir()} >= FILES
    metrics = json.loads(Path("run/eval/metrics.json").read_text())
    numbers = json.loads(Path("run/eval/report.json").read_text())
    assert set(metrics) == {"bbox", "segm", "report"}
    for kind in ("bbox", "segm"):
        tables = numbers["kinds"][kind]["tables"]
        assert tables["metrics"]["AP50"]["value"] == pytest.approx(metrics[kind]["AP50"], abs=1e-12)
        assert metrics["report"]["kinds"][kind]["tables"] == tables

    again = call(lambda: evaluate_checkpoint(untrained, ["eval.report=true"], Path("run/eval")))  # replaces its files
    assert again.status == 0, again.stderr

    Path("run/config.yaml").write_text(tiny.read_text())
    changed = ["--compare", "run/eval/results.json", "eval.max_detections=50", "--resamples", 20, "--out", "out"]
    compared = report(call, "run", *changed)
    assert compared.status == 0, compared.stderr
    document = json.loads(Path("out/report.json").read_text())
    assert document["runs"] == ["run", "run (2)"]
    assert document["kinds"]["bbox"]["tables"]["max_detections"] == 50
    (comparison,) = document["comparisons"]
    assert comparison["kinds"]["segm"]["metrics"]["AP50"]["difference"] == 0

    scores = Path("scores.json")
    scores.write_text('{"scores": {"circle": 0.05, "ring": 0.95}}')
    images = [str(demo / "val/000001.jpg")]
    outcome = call(
        lambda: infer(untrained, images, [], out=Path("p"), score_thresh=0.55, class_names=[], score_file=scores)
    )
    assert outcome.status == 0, outcome.stderr
    (image,) = json.loads(Path("p/predictions.json").read_text())["images"]
    plain = call(lambda: infer(untrained, images, [], out=Path("q"), score_thresh=0.55, class_names=[]))
    assert plain.status == 0, plain.stderr
    (other,) = json.loads(Path("q/predictions.json").read_text())["images"]
    names, plain_names = ({one["class"]["name"] for one in each["predictions"]} for each in (image, other))
    assert names == plain_names - {"ring"} | {"circle"}


def saved(folder: Path, entries: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "results.json"
    path.write_text(json.dumps(entries))
    return path


def test_results_against_a_coco_file_with_and_without_images(call: Call, demo: Path, tmp_path: Path) -> None:
    annotations = demo / "annotations/instances_val.json"
    truth = json.loads(annotations.read_text())["annotations"][0]
    entry = {key: truth[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9}
    results = saved(tmp_path / "saved", [entry])
    words = [results, "--annotations", annotations, "--resamples", 0]
    outcome = report(call, *words, "--images", demo / "val", "--out", "with")
    assert outcome.status == 0, outcome.stderr
    assert "data:image/jpeg" in Path("with/report.html").read_text()
    outcome = report(call, *words, "--out", "without")
    assert outcome.status == 0, outcome.stderr
    assert "--images: wanted the folder" in outcome.stderr
    assert "data:image/jpeg" not in Path("without/report.html").read_text()
    document = json.loads(Path("without/report.json").read_text())
    assert list(document["kinds"]) == ["bbox"]
    assert document["kinds"]["bbox"]["tables"]["metrics"]["AP"]["interval"] is None


def test_what_cannot_be_reported_on_is_one_message(call: Call, demo: Path, tmp_path: Path) -> None:
    annotations = demo / "annotations/instances_val.json"
    results = saved(tmp_path / "saved", [{"image_id": 999, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}])
    assert "wanted --config with a configuration, or --annotations" in report(call, results).error
    assert "image_id" in report(call, results, "--annotations", annotations).error
    assert "wanted a run folder with eval/results.json" in report(call, tmp_path / "saved" / "..").error
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps(json.loads(annotations.read_text()) | {"annotations": []}))
    message = report(call, saved(tmp_path / "saved", []), "--annotations", empty).error
    assert "wanted annotated objects to report on, got none" in message
    (tmp_path / "saved" / "report.html").write_text("mine")
    message = report(call, results, "--annotations", annotations).error
    assert "MindRCNN did not write it; --force replaces it" in message


@pytest.mark.parametrize("words", [["r.json", "--images", "i"], ["r.json", "--annotations", "a", "--config", "c"]])
def test_options_that_do_not_go_together(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        parse_arguments(words)
    assert ending.value.code == 2
    assert "mindrcnn report" in capsys.readouterr().err


@pytest.mark.parametrize("error", [InputError("disk full"), ZeroDivisionError("a mistake")])
def test_a_report_that_fails_leaves_training_as_it_is(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(training, "report_on_evaluation", fail)
    with caplog.at_level(logging.WARNING):
        report_at_end(None, Path("run"))  # type: ignore[arg-type]
    assert "no report" in caplog.text
    assert str(error) in caplog.text
