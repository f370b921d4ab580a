"""A training with sinks, through the program; the compiled parts have stand-ins."""

import importlib.util
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mindspore.train.summary_pb2 import Event

from mindrcnn import predictor
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
OVERRIDES = ["train.log_to=[summary_record]", "data.keep_empty_images=true"]
STEPS = 6  # two epochs of 12 images, 4 a step


@pytest.fixture
def stand_ins(stand_in: Any, every_class_once: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)
    monkeypatch.setattr(stand_in, "set_train", lambda step, mode: None, raising=False)


def shown(folder: Path) -> Counter[tuple[int, str]]:
    """How often (step, name) is in the summary file of a run."""
    (path,) = (folder / "summary_record").iterdir()
    content, place = path.read_bytes(), 0
    found: Counter[tuple[int, str]] = Counter()
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        event = Event.FromString(content[place + 12 : place + 12 + length])
        found.update((event.step, one.tag) for one in event.summary.value)
        place += 16 + length
    return found


def test_numbers_and_pictures_of_a_run_and_of_its_resumption(
    call: Call, tiny: Path, stand_ins: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path("runs/tiny")
    outcome = call(lambda: train(tiny, OVERRIDES))
    assert outcome.status == 0, outcome.stderr
    for line in (
        "device CPU 0, graph mode; ",
        "MindSpore 2",
        " parameters, of which ",
        "input 64 x 64 (height x width): ",
    ):
        assert line in outcome.stderr
    assert "epoch 2/2 ended: 3 steps in 0:00:0" in outcome.stderr
    order = (
        *("compiling the step for 64x64 ...", "the first step took", " step 1/6", "evaluating after epoch 1"),
        *("compiling the network for 64x64 ...", "4 images in 0:00:0"),
    )
    place = [outcome.stderr.index(text) for text in order]
    assert place == sorted(place)
    assert outcome.stderr.count("compiling ") == 2
    first = shown(run)
    assert set(first.values()) == {1}
    names = {name for _, name in first}
    assert {"loss/total", "loss/mask", "train/lr", "train/grad_norm", "speed/images_per_s", "memory_gb/host"} <= names
    assert {step for step, name in first if name == "loss/total"} == set(range(1, STEPS + 1))
    assert {step for step, name in first if name == "eval/segm_AP"} == {STEPS // 2, STEPS}
    pictures = {name.removeprefix("pictures/") for name in names if name.startswith("pictures/")}
    assert pictures == {path.stem for path in (run / "eval" / "pictures").iterdir()}
    assert len(pictures) == 2

    (run / "last.ckpt").unlink()  # previous.ckpt is half way
    assert call(lambda: train(tiny, OVERRIDES, resume=True)).status == 0
    again = shown(run)
    assert set(again.values()) == {1}
    kept = {(step, name) for step, name in first if step > STEPS // 2 or not name.startswith("pictures/")}
    unmeasured = {(STEPS // 2 + 1, f"speed/{name}") for name in ("images_per_s", "data_wait")}  # that step compiles
    assert set(again) == kept - unmeasured


def test_a_sink_that_is_not_installed_is_said_before_anything_else(
    call: Call, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = call(lambda: train(tiny, ["train.log_to=[mlflow]", "data.root=nowhere"]))
    assert outcome.error.startswith("train.log_to: mlflow needs the package mlflow: python -m pip install")
    assert not Path("runs").exists()
