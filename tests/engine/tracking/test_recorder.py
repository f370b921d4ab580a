"""Progress lines and rows."""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from mindrcnn.engine.tracking.metrics_log import read_rows
from mindrcnn.engine.tracking.recorder import Recorder, StepResult, peak_memory_gb
from mindrcnn.engine.tracking.scores import Scores


def test_rows_are_means_over_the_window(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rates = np.linspace(0.1, 0.6, 6).astype(np.float32)
    recorder = Recorder(
        folder=tmp_path,
        loss_names=("box", "mask"),
        learning_rates=rates,
        steps_per_epoch=4,
        log_every=2,
        memory=lambda: {"host": 1.25, "device": 30.0},
    )
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        for step in range(1, 7):
            seconds = 60.0 if step == 1 else 2.0
            losses = (float(step), 10.0)
            result = StepResult(step, losses, grad_norm=step, images=3, wait=0.5, seconds=seconds, compiled=step == 1)
            recorder.step(result)
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 4, 6]
    assert rows[0]["images_per_s"] is None  # compiling says nothing about speed
    expected = {
        "kind": "train",
        "step": 4,
        "epoch": 1.0,
        "losses": {"box": 3.5, "mask": 10.0},
        "total": 13.5,
        "lr": pytest.approx(0.4),
        "grad_norm": 3.5,
        "images_per_s": 1.5,
        "data_wait": 0.25,
        "eta_s": 4.0,
        "memory_gb": {"host": 1.25, "device": 30.0},
        "time": mock.ANY,
    }
    assert rows[2] == expected
    assert rows[3]["epoch"] == 1.5
    assert rows[3]["eta_s"] == 0
    text = caplog.messages
    assert text[0] == "the first step took 60.0 s, most of it compilation"
    assert (
        text[-2] == "epoch 1/2 step 4/6 | loss 13.5000 (box 3.5000 mask 10.0000) | grad 3.50 | lr 0.4"
        " | 1.2 GB host + 30.0 GB device"
        " | 1.50 images/s | data wait 25% | ETA 0:00:04"
    )
    assert text[-1].startswith("epoch 2/2 step 6/6")


def test_losses_are_summed_by_stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shown: list[dict[str, float]] = []
    recorder = Recorder(
        folder=tmp_path,
        loss_names=("loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_mask"),
        learning_rates=np.ones(2, np.float32),
        steps_per_epoch=2,
        log_every=2,
        sinks=[mock.Mock(scalars=lambda step, values: shown.append(dict(values)))],
    )
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        recorder.step(StepResult(1, (1.0, 2.0, 4.0, 8.0), grad_norm=1, images=1, wait=0, seconds=1))
        recorder.end_epoch(1)
    (row,) = read_rows(tmp_path / "metrics.jsonl")
    assert (row["rpn_loss"], row["rcnn_loss"], row["total"]) == (3.0, 12.0, 15.0)
    assert (shown[0]["loss/rpn_loss"], shown[0]["loss/rcnn_loss"], shown[0]["loss/total"]) == (3.0, 12.0, 15.0)
    assert caplog.messages[0] == "the first step took 1.0 s"  # eagerly
    for line in caplog.messages[1:]:
        assert "loss 15.0000, rpn_loss 3.0000, rcnn_loss 12.0000 (loss_rpn_cls 1.0000 loss_rpn_box 2.0000 " in line


def test_steps_that_compile_say_nothing_about_speed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(
        folder=tmp_path, loss_names=("box",), learning_rates=np.ones(8, np.float32), steps_per_epoch=8, log_every=2
    )
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        for step in range(1, 7):
            compiled = step in (1, 3, 5, 6)  # a bucket that the first steps had none of
            seconds = 50.0 if compiled else 2.0
            recorder.step(StepResult(step, (1.0,), 1.0, images=3, wait=0.5, seconds=seconds, compiled=compiled))
        recorder.end_epoch(6)
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [(row["step"], row["images_per_s"], row["data_wait"], row["eta_s"]) for row in rows] == [
        (1, None, None, None), (2, 1.5, 0.25, 12.0), (4, 1.5, 0.25, 8.0), (6, None, None, None)
    ]  # fmt: skip
    assert "step 3 took 50.0 s, most of it compilation" in caplog.messages
    assert "6 steps in 0:03:24, 2.000 s a step" in caplog.messages[-1]


def test_an_epoch_ends_with_its_means_and_its_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(
        folder=tmp_path, loss_names=("box",), learning_rates=np.ones(5, np.float32), steps_per_epoch=3, log_every=100
    )
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        for step in range(1, 6):
            seconds = 60.0 if step == 1 else 2.0
            recorder.step(StepResult(step, (float(step),), grad_norm=1, images=3, wait=0.5, seconds=seconds))
            if step in (3, 5):
                recorder.end_epoch(step)
    ended = [line for line in caplog.messages if "ended" in line]
    assert ended == [
        "epoch 1/2 ended: 3 steps in 0:01:04, 2.000 s a step | mean loss 2.0000 (box 2.0000) | 0:00:00 since the start",
        "epoch 2/2 ended: 2 steps in 0:00:04, 2.000 s a step | mean loss 4.5000 (box 4.5000) | 0:00:00 since the start",
    ]


def test_evaluation_row_and_curves(tmp_path: Path) -> None:
    recorder = Recorder(
        folder=tmp_path, loss_names=("box",), learning_rates=np.ones(4, np.float32), steps_per_epoch=2, log_every=2
    )
    before = datetime.now().astimezone()
    recorder.evaluation(epoch=1, step=2, scores=Scores({"bbox_AP": 0.5}, {"bbox_AP": {"cat": 0.25, "dog": 0.75}}))
    (row,) = read_rows(tmp_path / "metrics.jsonl")
    written = datetime.fromisoformat(row.pop("time"))
    assert timedelta(seconds=-1) < written - before < timedelta(minutes=5)
    classes = {"bbox_AP": {"cat": 0.25, "dog": 0.75}}
    assert row == {"kind": "eval", "step": 2, "epoch": 1, "metrics": {"bbox_AP": 0.5}, "classes": classes}
    assert (tmp_path / "curves.png").is_file()


def test_memory() -> None:
    before = peak_memory_gb()
    block = np.ones(40_000_000, np.uint8)
    after = peak_memory_gb()
    assert set(before) == set(after) == {"host"}
    assert 0.05 < before["host"] <= after["host"] < 500
    del block
