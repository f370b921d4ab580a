"""Inference with a stand-in for the detector: what is chosen, and where pictures go."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mindrcnn import predictor
from mindrcnn.datasets.demo import CATEGORY_IDS
from mindrcnn.errors import InputError
from mindrcnn.tasks.inference import find_labels, infer

Call = Callable[[Callable[[], int]], Any]


@pytest.fixture(autouse=True)
def stand_in(every_class_once: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)


def found_names(out: Path) -> list[list[str]]:
    images = json.loads((out / "predictions.json").read_text())["images"]
    return [[one["class"]["name"] for one in image["predictions"]] for image in images]


@pytest.mark.parametrize(
    ("score", "classes", "expected"),
    [
        (0.0, [], list(CATEGORY_IDS)),
        (0.55, [], list(CATEGORY_IDS)[5:]),
        (0.15, ["ring", "circle", "star"], ["ring", "star"]),
        (0.9, [], []),
    ],
)
def test_score_and_classes_choose(
    call: Call, untrained: Path, demo: Path, score: float, classes: list[str], expected: list[str]
) -> None:
    source = str(demo / "val" / "00000[13].jpg")
    outcome = call(lambda: infer(untrained, [source], [], out=Path("out"), score_thresh=score, class_names=classes))
    assert outcome.status == 0, outcome.stderr
    assert [sorted(names) for names in found_names(Path("out"))] == [sorted(expected)] * 2


def test_a_lower_score_than_the_models_own_threshold(
    call: Call, untrained: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored = []
    monkeypatch.setattr(predictor, "restore_detector", lambda _, config: restored.append(config.model.box.score_thresh))
    for score in (0.01, 0.6):
        overrides = ["model.box.score_thresh=0.05"]
        sources = [str(demo / "val/000001.jpg")]
        outcome = call(
            lambda: infer(untrained, sources, overrides, out=Path("out"), score_thresh=score, class_names=[])  # noqa: B023
        )
        assert outcome.status == 0, outcome.stderr
    assert restored == [0.01, 0.05]


def test_files_of_one_name_keep_their_own_pictures(
    call: Call, untrained: Path, demo: Path, files_under: Callable[[Path], set[str]]
) -> None:
    for folder in ("a", "b"):
        shutil.copytree(demo / "val", folder)
    outcome = call(lambda: infer(untrained, ["a", "b"], [], out=Path("out"), score_thresh=0.5, class_names=[]))
    assert outcome.status == 0, outcome.stderr
    assert len(found_names(Path("out"))) == 8
    assert len(files_under(Path("out"))) == 9


def test_nothing_readable_at_all(call: Call, untrained: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no picture")
    sources = [str(tmp_path / "broken.jpg")]
    outcome = call(lambda: infer(untrained, sources, [], out=Path("out"), score_thresh=0.5, class_names=[]))
    assert outcome.status == 3
    assert "broken.jpg" in outcome.stderr
    assert found_names(Path("out")) == []


def test_labels_of_names() -> None:
    assert find_labels(["fig", "hazelnut"], ("hazelnut", "fig")) == [2, 1]


@pytest.mark.parametrize(
    ("name", "message"), [("hazlenut", r"nearest: hazelnut\), got 'hazlenut'"), ("xyz", r"hazelnut, fig\), got 'xyz'")]
)
def test_an_unknown_class_is_named_with_its_neighbours(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_labels(["fig", name], ("hazelnut", "fig"))


def test_the_model_zoos_form_of_predictions(call: Call, untrained: Path, demo: Path) -> None:
    source = str(demo / "val" / "000001.jpg")

    def zoo() -> int:
        return infer(untrained, [source], [], out=Path("out"), score_thresh=0.55, class_names=[], zoo_format=True)

    assert call(zoo).status == 0
    ((path, image),) = json.loads(Path("out/predictions.json").read_text()).items()
    assert (path, list(image)) == (source, ["height", "width", "predictions"])
    assert [one["class"]["label"] for one in image["predictions"]] == [5]  # the sixth of six classes
    assert call(zoo).status == 0  # its own file is replaced
    Path("out/predictions.json").write_text('{"mine": 1}')
    assert "predictions.json: would be replaced, and MindRCNN did not write it" in call(zoo).error
