"""The comparison of measured with published AP, with stand-ins for the evaluations."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.metrics import Metrics
from mindrcnn.programs import reproduce as program
from mindrcnn.published.table import find_published
from mindrcnn.tasks import reproduction
from mindrcnn.tasks.evaluation import Evaluation
from mindrcnn.tasks.reproduction import Comparison, choose_models, compare

NAME = "torchvision/mask_rcnn_r50_fpn"  # published: 37.9, 34.6
Measure = Callable[..., list[dict]]


@pytest.mark.parametrize(
    ("measured", "published", "passed"),
    [
        *((37.9, 37.9, True), (37.8, 37.9, True), (38.0, 37.9, True), (37.79, 37.9, False), (38.01, 37.9, False)),
        *((None, 37.9, False), (12.0, None, True), (None, None, True)),
    ],
)
def test_a_tenth_of_ap_is_the_limit(measured: float | None, published: float | None, passed: bool) -> None:
    assert Comparison(measured, published).passed == passed


def test_numbers_of_coco_are_fractions_and_minus_one_is_none() -> None:
    model = find_published(NAME)
    assert model is not None
    assert compare(model, {"bbox_AP": 0.379, "segm_AP": -1.0}) == (Comparison(37.9, 37.9), Comparison(None, 34.6))
    assert compare(model, {"bbox_AP": 0.379})[1].passed is False


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Measure:
    """measure(words, box, mask) runs the program on models that get these AP; returns status and rows."""
    monkeypatch.chdir(tmp_path)

    def run(words: list[str], box: float, mask: float, images: int = 5000) -> list[dict]:
        def evaluation(file: Path, *_: object, **__: object) -> Evaluation:
            if str(file) == "detectron2/mask_rcnn_r50_fpn_3x":
                raise InputError("cannot download")
            numbers = [Metrics("bbox", {"AP": box}, (), images, ""), Metrics("segm", {"AP": mask}, (), images, "")]
            return Evaluation(numbers, Path(), Ranks(), "CPU")

        monkeypatch.setattr(reproduction, "run_evaluation", evaluation)
        handlers = logging.getLogger().handlers[:]
        try:
            status = program.main(words)
        finally:
            logging.getLogger().handlers[:] = handlers
        lines = Path("reproduced/results.jsonl").read_text().splitlines()
        return [{"status": status}, *map(json.loads, lines)]

    return run


def test_a_model_that_agrees(measure: Measure) -> None:
    status, row = measure([NAME, "data.root=coco"], 0.3795, 0.3462)
    assert status == {"status": 0}
    assert row["passed"]
    assert (row["box_ap_published"], row["mask_ap_published"], row["images"], row["device"]) == (
        37.9,
        34.6,
        5000,
        "CPU",
    )
    assert row["box_ap"] == pytest.approx(37.95)
    assert {"mindrcnn", "mindspore", "python"} <= row["software"].keys()
    assert row["overrides"] == ["data.root=coco"]
    assert len(measure([NAME], 0.379, 0.346)) == 3  # a row is added


@pytest.mark.parametrize(("box", "mask"), [(0.377, 0.346), (0.379, 0.349), (0.0, 0.0)])
def test_a_model_that_does_not(measure: Measure, box: float, mask: float) -> None:
    status, row = measure([NAME], box, mask, images=125)
    assert status == {"status": 1}
    assert row["passed"] is False


def test_all_go_on_after_one_that_fails(measure: Measure) -> None:
    status, *rows = measure(["--all", "detectron2", "mask_rcnn_r50"], 0.386, 0.352)
    assert status == {"status": 1}
    names = [model.name for model in choose_models(["detectron2", "mask_rcnn_r50"], everything=True)]
    assert "detectron2/mask_rcnn_r50_fpn_noaug_1x" in names
    assert {row["name"]: row["passed"] for row in rows} == {
        name: name == "detectron2/mask_rcnn_r50_fpn_1x" for name in names
    }
    assert rows[1]["error"] == "cannot download"


def test_a_file_of_others_stays(measure: Measure, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "reproduced").mkdir()
    (tmp_path / "reproduced" / "results.jsonl").write_text('{"mine": 1}\n')
    assert measure([NAME], 0.379, 0.346) == [{"status": 2}, {"mine": 1}]
    assert "--force replaces it" in capsys.readouterr().err


def test_every_detector_with_a_published_ap_can_be_measured() -> None:
    models = choose_models([], everything=True)
    assert len(models) > 40
    assert all(model.kind == "detector" for model in models)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision/mask_rcnn", "nearest: torchvision/mask_rcnn_r50_fpn"),
        ("torchvision/resnet50_v1", "wanted a detector with a published AP"),
        ("mindspore-zoo/faster_rcnn_r50", "wanted a detector with a published AP"),
        ("best.ckpt", "wanted the name of a published model"),
    ],
)
def test_models_that_cannot(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_models([name], everything=False)


def test_a_call_without_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["data.root=coco"])
    assert "wanted a published model's name, or --all" in capsys.readouterr().err
