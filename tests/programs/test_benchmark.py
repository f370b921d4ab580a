"""The benchmark of a model: what is measured and written, with a stand-in for the detector."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mindrcnn.config.loader import parse_config
from mindrcnn.image_detector import Detector
from mindrcnn.programs.benchmark import main as benchmark_command
from mindrcnn.programs.serve import main as serve_command
from mindrcnn.tasks import benchmark as program
from mindrcnn.tasks.speed import Workload, measure, spread

Call = Callable[[Callable[[], int]], Any]
SETTINGS: dict[str, Any] = {
    "batch": None,
    "size": None,
    "sources": [],
    "warm_up": 1,
    "calls": 3,
    "json_file": Path("speed.json"),
}


@pytest.fixture
def batches(every_class_once: type, monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """The images of each call of a detector that takes the place of the one in the file."""
    seen: list[NDArray[np.uint8]] = []
    stand_in = every_class_once(detector=None)

    def predict(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        seen.append(images)
        return tuple(stand_in(images, image_sizes))

    def open_stand_in(file: Path, overrides: list[str], *, runtime: object) -> Detector:
        config = parse_config("data: {buckets: [[32, 64]], short_side: 32}", "test", overrides)
        names = tuple("abcdefgh")
        batch = 3 if file.suffix == ".onnx" else None
        return Detector(predict=predict, config=config, classes=names, category_ids=range(1, 9), batch=batch)

    monkeypatch.setattr(program, "open_detector", open_stand_in)
    return seen


def test_pictures_fill_every_batch(call: Call, batches: list[NDArray[np.uint8]], demo: Path) -> None:
    settings = SETTINGS | {"batch": 3, "size": "64x96", "sources": [str(demo / "val")]}
    outcome = call(lambda: program.benchmark(Path("best.ckpt"), [], **settings))
    assert outcome.status == 0, outcome.stderr
    assert [images.shape for images in batches] == [(3, 3, 64, 96)] * 4
    assert all(images.any(axis=(1, 2, 3)).all() for images in batches)
    report = json.loads(Path("speed.json").read_text())
    assert (report["batch"], report["height"], report["width"], report["pictures"]) == (3, 64, 96, 4)
    assert report["precision"] == "float32"
    assert 4 < report["detections_per_image"] <= 8  # boxes beyond the image are dropped
    assert len(report["warm_up"]["ms"]) == 1
    latency = report["latency_ms"]
    assert list(latency) == ["mean", "min", "p50", "p90", "p95", "p99", "max"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]
    assert report["images_per_s"] == pytest.approx(3 / latency["mean"] * 1e3, rel=0.02)
    assert report["images_per_s"] > report["with_images_and_masks"]["images_per_s"]
    assert 0 < report["memory_mb"]["loaded"] <= report["memory_mb"]["peak"]
    for text in ("3 x 3 x 64 x 96, 4 pictures, ", "images/s", "1 calls, the first took", "memory"):
        assert text in outcome.stdout


def test_noise_in_the_models_own_batch_and_first_bucket(call: Call, batches: list[NDArray[np.uint8]]) -> None:
    outcome = call(lambda: program.benchmark(Path("model.onnx"), [], **SETTINGS | {"warm_up": 0}))
    assert outcome.status == 0, outcome.stderr
    assert [images.shape for images in batches] == [(3, 3, 32, 64)] * 3
    assert "noise" in outcome.stdout
    assert json.loads(Path("speed.json").read_text())["warm_up"] == {"calls": 0, "ms": []}
    again = call(lambda: program.benchmark(Path("model.onnx"), [], **SETTINGS))
    assert again.status == 0, "the report may be replaced"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"size": "800"}, "--size: wanted HEIGHTxWIDTH such as 800x1344, got 800\n"),
        ({"size": "31x64"}, "data.buckets[0][0]: wanted whole number from 32 to 16384, got 31"),
        ({"batch": 2}, "--batch: wanted 3, which model.onnx is fixed to, got 2\n"),
        ({"sources": ["nowhere"]}, "nowhere: wanted an image, a folder or a glob"),
    ],
)
def test_what_cannot_be_measured(
    call: Call, batches: list[NDArray[np.uint8]], changed: dict[str, Any], message: str
) -> None:
    outcome = call(lambda: program.benchmark(Path("model.onnx"), [], **SETTINGS | changed))
    assert message in outcome.error
    assert not batches
    assert not Path("speed.json").exists()


def test_percentiles_are_measured_times() -> None:
    assert spread([0.004, 0.001, 0.002, 0.003]) == {
        "mean": 2.5, "min": 1, "p50": 3, "p90": 4, "p95": 4, "p99": 4, "max": 4,
    }  # fmt: skip


def test_images_are_made_before_each_call_is_timed(batches: list[NDArray[np.uint8]]) -> None:
    detector = program.open_detector(Path("best.ckpt"), [], runtime=None)  # type: ignore[arg-type]
    workload = Workload(batch=2, size=(32, 64), warm_up=2, calls=1)
    assert measure(detector, workload, load_seconds=0.5)["load_s"] == 0.5
    first, _, third = batches
    np.testing.assert_array_equal(first, third)  # the same noise in each call
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("command", [benchmark_command, serve_command])
def test_a_model_by_name(
    command: Callable[[list[str]], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Names are known, so that a mistyped one is told from a missing file."""
    monkeypatch.chdir(tmp_path)
    assert command(["torchvision/mask_rcnn_r50_fpx"]) == 2
    assert "no published model of this name" in capsys.readouterr().err
