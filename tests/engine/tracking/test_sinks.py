"""Sinks, read back: TensorBoard events, MindSpore summaries, an MLflow run."""

import importlib.util
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import cv2
import numpy as np
import pytest

from mindrcnn.config.train import TrainConfig
from mindrcnn.engine.tracking import sinks
from mindrcnn.engine.tracking.metrics_log import read_rows
from mindrcnn.engine.tracking.recorder import Recorder, StepResult
from mindrcnn.engine.tracking.scores import Scores
from mindrcnn.engine.tracking.sinks import open_sinks, require_sinks, row_scalars
from mindrcnn.errors import InputError

TRAIN_ROW = {
    "kind": "train", "step": 4, "epoch": 1.0, "losses": {"loss_mask": 0.5, "aux": None}, "total": 0.5, "lr": 0.01,
    "grad_norm": 2.0, "images_per_s": None, "data_wait": None, "eta_s": 3.0, "memory_gb": {"host": 1.5},
}  # fmt: skip
EVAL_ROW = {"kind": "eval", "step": 4, "epoch": 1, "metrics": {"bbox_AP": 0.25, "segm_AP": None}}
TRAIN_SCALARS = {"loss/mask": 0.5, "loss/total": 0.5, "train/lr": 0.01, "train/grad_norm": 2.0, "memory_gb/host": 1.5}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), np.full((6, 9, 3), 128, np.uint8))
    return path


def opened(name: str, folder: Path, *, rows: list[dict[str, Any]] | None = None, after: int | None = None) -> Any:
    (sink,) = open_sinks([name], folder=folder, run_name="run", rows=rows or [], resumed_after=after)
    return sink


def records(path: Path) -> Iterator[bytes]:
    """The records of a file in TensorFlow's format: length, its checksum, content, its checksum."""
    content, place = path.read_bytes(), 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        yield content[place + 12 : place + 12 + length]
        place += 16 + length
    assert place == len(content)


def test_names_and_numbers_of_rows() -> None:
    assert row_scalars(TRAIN_ROW) == TRAIN_SCALARS
    assert row_scalars(EVAL_ROW) == {"eval/bbox_AP": 0.25}
    classes = {"bbox_AP": {"cat": 0.5, "a/b": 0.1}}
    assert row_scalars(EVAL_ROW | {"classes": classes}) == {
        "eval/bbox_AP": 0.25, "class_AP/bbox_AP/cat": 0.5, "class_AP/bbox_AP/a/b": 0.1
    }  # fmt: skip
    assert row_scalars({name: value for name, value in TRAIN_ROW.items() if name != "memory_gb"}) == {
        name: value for name, value in TRAIN_SCALARS.items() if not name.startswith("memory")
    }


@pytest.mark.parametrize(("name", "package"), [("tensorboard", "tensorboardX"), ("mlflow", "mlflow")])
def test_a_missing_package_is_one_message(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)
    with pytest.raises(InputError, match=rf"train\.log_to: {name} needs .*: python -m pip install {package}$"):
        require_sinks(["summary_record", name])
    require_sinks(["summary_record"])


class Listener:
    """A sink that writes down what it gets."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def scalars(self, step: int, values: Any) -> None:
        self.got.append((step, dict(values)))

    def pictures(self, step: int, files: Any) -> None:
        self.got.append((step, [file.name for file in files]))

    def close(self, *, failed: bool) -> None:
        self.got.append(failed)


@pytest.mark.parametrize("failed", [False, True])
def test_a_recorder_passes_everything_on(tmp_path: Path, picture: Path, failed: bool) -> None:
    sink = Listener()
    recorder = Recorder(
        folder=tmp_path, loss_names=("box",), learning_rates=np.ones(4, np.float32), steps_per_epoch=2, log_every=2,
        sinks=(sink,), pictures=(picture, tmp_path / "not_drawn.jpg"), memory=lambda: {"host": 1.5},
    )  # fmt: skip
    try:
        with recorder:
            recorder.step(StepResult(1, (3.0,), grad_norm=float("inf"), images=2, wait=0.0, seconds=1.0))
            recorder.evaluation(epoch=1, step=2, scores=Scores({"bbox_AP": 0.5, "segm_AP": float("nan")}))
            if failed:
                raise InputError("stopped")
    except InputError:
        pass
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert sink.got == [(1, row_scalars(rows[0])), (2, {"eval/bbox_AP": 0.5}), (2, ["photo.jpg"]), failed]
    assert "train/grad_norm" not in sink.got[0][1]


# ---------------------------------------------------------------------------------------------------------- TensorBoard


def events_of(folder: Path) -> list[Any]:
    """All events, file after file, as TensorBoard reads them."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    return [event_pb2.Event.FromString(one) for path in sorted(folder.iterdir()) for one in records(path)]


def test_tensorboard_events(tmp_path: Path, picture: Path) -> None:
    pytest.importorskip("tensorboardX")
    sink = opened("tensorboard", tmp_path)
    sink.scalars(4, TRAIN_SCALARS)
    sink.pictures(4, [picture])
    version, numbers, pictures = events_of(tmp_path / "tensorboard")  # on disk before the end
    sink.close(failed=False)
    assert version.file_version == "brain.Event:2"
    assert numbers.step == pictures.step == 4
    assert {one.tag: one.simple_value for one in numbers.summary.value} == pytest.approx(TRAIN_SCALARS)
    (shown,) = pictures.summary.value
    assert (shown.tag, shown.image.height, shown.image.width) == ("pictures/photo", 6, 9)
    assert shown.image.encoded_image_string == picture.read_bytes()


def test_tensorboard_has_the_configuration_as_text(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    (tmp_path / "config.yaml").write_text("name: run\ntrain:\n  seed: 3\n")
    for after in (None, 4):
        opened("tensorboard", tmp_path, after=after).close(failed=False)
    texts = {event.step: one for event in events_of(tmp_path / "tensorboard") for one in event.summary.value}
    assert set(texts) == {0, 5}
    for one in texts.values():
        assert one.tag == "config/text_summary"
        assert one.metadata.plugin_data.plugin_name == "text"
        assert one.tensor.string_val == [b"    name: run\n    train:\n      seed: 3\n"]


def test_tensorboard_forgets_what_a_resumed_training_repeats(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    for after, steps in ((None, (2, 4, 6)), (4, (6, 8))):
        sink = opened("tensorboard", tmp_path, after=after)
        for step in steps:
            sink.scalars(step, {"loss/total": float(step)})
        sink.close(failed=False)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    shown: dict[int, float] = {}
    for event in events_of(tmp_path / "tensorboard"):
        if event.HasField("session_log"):  # status START: TensorBoard drops what is not before this step
            assert event.session_log.status == 1
            shown = {step: value for step, value in shown.items() if step < event.step}
        for one in event.summary.value:
            assert event.step not in shown
            shown[event.step] = one.simple_value
    assert shown == {2: 2, 4: 4, 6: 6, 8: 8}


def test_tensorboard_on_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    (tmp_path / "tensorboard").write_text("a file")
    with pytest.raises(InputError, match=r"cannot write .*tensorboard"):
        opened("tensorboard", tmp_path)


# -------------------------------------------------------------------------------------------------------- SummaryRecord


def test_summary_record(tmp_path: Path, picture: Path) -> None:
    from mindspore.train.summary_pb2 import Event

    for after, rows, total in ((None, [], 1.0), (4, [TRAIN_ROW, EVAL_ROW], 2.0)):
        sink = opened("summary_record", tmp_path, rows=rows, after=after)
        sink.scalars(6, {"loss/total": total})
        sink.pictures(6, [picture])
        sink.close(failed=False)
    (path,) = (tmp_path / "summary_record").iterdir()
    numbers, images = {}, {}
    for record in records(path):
        event = Event.FromString(record)
        for one in event.summary.value:
            if one.HasField("scalar_value"):
                assert (event.step, one.tag) not in numbers
                numbers[event.step, one.tag] = one.scalar_value
            else:
                images[event.step, one.tag] = (one.image.height, one.image.width)
    wanted = {(4, name): value for name, value in (TRAIN_SCALARS | {"eval/bbox_AP": 0.25}).items()}
    assert numbers == pytest.approx(wanted | {(6, "loss/total"): 2.0})
    assert images == {(6, "pictures/photo"): (6, 9)}


# --------------------------------------------------------------------------------------------------------------- MLflow


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of a fresh store of files, which also the sink uses."""
    tracking = pytest.importorskip("mlflow.tracking")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'store'}")
    return tracking.MlflowClient()


def test_mlflow_goes_on_with_the_run_and_repeats_nothing(tmp_path: Path, tracking: Any, picture: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: run\n")
    sink = opened("mlflow", tmp_path)
    sink.scalars(4, {"loss/total": 4.0})
    sink.scalars(6, {"loss/total": 6.0})
    sink.close(failed=True)
    assert tracking.get_run(sink.run_id).info.status == "FAILED"
    sink = opened("mlflow", tmp_path, after=4)
    sink.scalars(6, {"loss/total": 6.0, "eval/bbox_AP": 0.5, "class_AP/bbox_AP/cat?": 0.5})
    sink.pictures(6, [picture])
    sink.scalars(8, {"loss/total": 8.0})
    sink.close(failed=False)
    run = tracking.get_run(sink.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run")
    points = [(point.step, point.value) for point in tracking.get_metric_history(sink.run_id, "loss/total")]
    assert points == [(4, 4), (6, 6), (8, 8)]
    assert run.data.metrics == {"loss/total": 8, "eval/bbox_AP": 0.5}
    files = {file.path for file in tracking.list_artifacts(sink.run_id, "pictures/step_6")}
    assert files == {"pictures/step_6/photo.jpg"}
    assert {file.path for file in tracking.list_artifacts(sink.run_id)} == {"config.yaml", "pictures"}


def test_mlflow_that_goes_away_costs_a_warning(
    tmp_path: Path, tracking: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow.exceptions import MlflowException

    def refuse(*arguments: Any, **named: Any) -> None:
        raise MlflowException("no server")

    (tmp_path / "config.yaml").write_text("name: run\n")
    sink = opened("mlflow", tmp_path)
    monkeypatch.setattr(sink._client, "log_batch", refuse)
    with caplog.at_level(logging.WARNING, logger="mindrcnn"):
        sink.scalars(4, {"loss/total": 4.0})
    assert caplog.messages == ["mlflow: cannot send the metrics of step 4: no server"]


def test_every_choice_of_the_configuration_is_a_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TensorBoardSink", "MlflowSink", "SummaryRecordSink", "require_sinks"):
        monkeypatch.setattr(sinks, name, lambda *_, **__: Listener())
    (choices, _) = get_args(get_type_hints(TrainConfig)["log_to"])
    assert len(open_sinks(get_args(choices), folder=tmp_path, run_name="run", rows=[], resumed_after=None)) == 3
