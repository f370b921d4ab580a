"""Training runs that end well, badly, or early; most with a stand-in for the compiled step."""

import json
import math
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindrcnn.config.loader import parse_config
from mindrcnn.engine.checkpoints.checkpoint import load_checkpoint
from mindrcnn.programs.train import parse_arguments, start
from mindrcnn.tasks import preparation
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
FilesUnder = Callable[[Path], set[str]]
LargestFile = Callable[[int], AbstractContextManager[None]]

RUN = Path("runs/tiny")
NO_VALIDATION = "data.val.name=''"
STEPS_PER_EPOCH = 3  # 12 images, 4 a step
BEFORE_A_SAVE = {"config.yaml", "train.log"}
RUN_FILES = BEFORE_A_SAVE | {"first_batch.jpg", "metrics.jsonl", "curves.png", "last.ckpt"}
SMALLER_THAN_A_CHECKPOINT = 100_000


def test_runs_never_share_a_folder(call: Call, tiny: Path, stand_in: Any, files_under: FilesUnder) -> None:
    overrides = [NO_VALIDATION, "train.schedule.length=1", "data.keep_empty_images=true"]
    assert call(lambda: train(tiny, overrides)).status == 0
    assert call(lambda: train(tiny, overrides)).status == 0
    assert call(lambda: train(tiny, overrides, Path("a/b"))).status == 0
    for folder in (RUN, Path("runs/tiny_2"), Path("a/b")):
        assert files_under(folder) == RUN_FILES
    saved = load_checkpoint(RUN / "last.ckpt").info
    assert (saved.epoch, saved.step) == (1, STEPS_PER_EPOCH)
    assert saved.config_yaml == (RUN / "config.yaml").read_text()
    assert parse_config(saved.config_yaml, "saved").train.schedule.length == 1


def test_every_second_step_is_logged(call: Call, tiny: Path, stand_in: Any) -> None:
    overrides = [NO_VALIDATION, "train.log_every=2", "data.keep_empty_images=true"]
    outcome = call(lambda: train(tiny, overrides))
    assert outcome.status == 0
    rows = [json.loads(line) for line in (RUN / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "train"] == [1, 2, 4, 6]
    assert "log_every: 2" in (RUN / "config.yaml").read_text()
    assert outcome.stderr.count("| loss ") == 4  # the steps
    assert outcome.stderr.count("| mean loss ") == 2  # the epochs


def test_a_truncated_image_is_named(
    call: Call, tiny: Path, own_demo: Path, stand_in: Any, files_under: FilesUnder
) -> None:
    image = own_demo / "train" / "000005.jpg"
    image.write_bytes(image.read_bytes()[:700])
    overrides = [NO_VALIDATION, f"data.root={own_demo}", "data.keep_empty_images=true", "train.batch_size=12"]
    message = call(lambda: train(tiny, overrides)).error
    assert f"{image}: " in message
    assert files_under(RUN) == BEFORE_A_SAVE


@pytest.mark.parametrize(("full_from_step", "epochs_saved"), [(1, 0), (STEPS_PER_EPOCH + 1, 1)])
def test_a_full_disk_leaves_the_last_good_checkpoint(
    call: Call,
    tiny: Path,
    stand_in: Any,
    files_under: FilesUnder,
    largest_file: LargestFile,
    full_from_step: int,
    epochs_saved: int,
) -> None:
    with ExitStack() as stack:
        stand_in.actions[full_from_step] = lambda: stack.enter_context(largest_file(SMALLER_THAN_A_CHECKPOINT))
        message = call(lambda: train(tiny, [NO_VALIDATION, "data.keep_empty_images=true"])).error
    assert message == f"cannot write {RUN / 'last.ckpt'}: File too large\n"
    if epochs_saved:
        assert load_checkpoint(RUN / "last.ckpt").info.epoch == epochs_saved
        assert files_under(RUN) == RUN_FILES | {"previous.ckpt"}
    else:
        assert files_under(RUN) == BEFORE_A_SAVE | {"first_batch.jpg", "metrics.jsonl"}


@pytest.mark.parametrize("saved", [True, False])
def test_a_stopped_run_says_how_to_continue(
    call: Call, tiny: Path, stand_in: Any, capsys: pytest.CaptureFixture[str], saved: bool
) -> None:
    overrides = [NO_VALIDATION, "data.keep_empty_images=true"]

    def stop() -> None:
        if not saved:
            raise KeyboardInterrupt  # as at a second signal
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: "INFO SIGINT: finishing the step, then saving; " in capsys.readouterr().err)

    stand_in.actions[2] = stop
    with pytest.raises(SystemExit) as ended:
        call(lambda: train(tiny, overrides, Path("a run")))
    assert ended.value.code == 130
    errors = capsys.readouterr().err
    folder = Path("a run").resolve()
    if not saved:
        assert f"nothing has been saved in {folder}" in errors
        return
    assert "stopped by SIGINT after step 2; saved last\n" in errors
    (told,) = [line for line in errors.splitlines() if f"the state is in {folder}/last.ckpt; this continues: " in line]
    program, command, *words = shlex.split(told.partition("this continues: ")[2])
    assert (program, command) == ("mindrcnn", "train")
    stand_in.actions.clear()
    arguments = parse_arguments(words)
    again = call(lambda: start(arguments))
    assert again.status == 0
    assert "resumed after step 2 of 6" in again.stderr
    assert "other settings" not in again.stderr


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_a_loss_that_is_not_finite_keeps_the_good_checkpoint(
    call: Call, tiny: Path, monkeypatch: pytest.MonkeyPatch, files_under: FilesUnder
) -> None:
    rates = np.array([0.0] * STEPS_PER_EPOCH + [1e30] * STEPS_PER_EPOCH, np.float32)
    monkeypatch.setattr(preparation, "build_learning_rates", lambda *_, **settings: rates)
    overrides = [NO_VALIDATION, "data.keep_empty_images=true", "model.mask=null", "train.optimizer.clip_norm=0"]
    message = call(lambda: train(tiny, overrides)).error
    found = re.match(r"training stopped at step (\d): not finite: (.*); images (\d+(?:, \d+){3})\. ", message)
    assert found is not None, message
    assert int(found[1]) > STEPS_PER_EPOCH
    assert re.search(r"loss_\w+ (nan|inf)", found[2])
    assert load_checkpoint(RUN / "last.ckpt").info.step == STEPS_PER_EPOCH
    assert files_under(RUN) == RUN_FILES


@pytest.mark.slow
def test_faster_rcnn_trains_and_evaluates_boxes(call: Call, tiny: Path, files_under: FilesUnder) -> None:
    outcome = call(lambda: train(tiny, ["model.mask=null", "data.keep_empty_images=true"]))
    assert outcome.status == 0
    assert files_under(RUN) >= RUN_FILES | {"best.ckpt", "eval/metrics.json", "eval/results.json"}
    assert set(json.loads((RUN / "eval/metrics.json").read_text())) == {"bbox", "report"}
    entries = json.loads((RUN / "eval/results.json").read_text())
    assert entries
    assert all(set(entry) == {"image_id", "category_id", "bbox", "score"} for entry in entries)
    rows = [json.loads(line) for line in (RUN / "metrics.jsonl").read_text().splitlines()]
    losses = [row["losses"] for row in rows if row["kind"] == "train"]
    assert len(losses) == 2 * STEPS_PER_EPOCH
    assert all("loss_mask" not in names and all(map(math.isfinite, names.values())) for names in losses)


def wait_for(process: subprocess.Popen[str], text: str, *, seconds: float) -> None:
    """Reads the program's log until `text` comes."""
    assert process.stderr is not None
    lines, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        lines.append(process.stderr.readline())
        if text in lines[-1]:
            return
        assert lines[-1], "".join(lines)
    raise AssertionError("".join(lines))


@pytest.mark.slow
def test_ctrl_c_saves_and_says_so(
    background: Callable[..., subprocess.Popen[str]], tmp_path: Path, tiny: Path, files_under: FilesUnder
) -> None:
    overrides = ["train.schedule.length=100000", "train.eval_every=0", "train.save_every=100000", "model.mask=null"]
    overrides += ["data.short_side=512", "data.buckets=[[512, 512]]"]  # steps of a second or more
    process = background("train.py", tiny, "--run-dir", "run", *overrides, "data.keep_empty_images=true")
    wait_for(process, " step 2/", seconds=600)
    time.sleep(0.3)  # within the next step, and past its first milliseconds, where MindSpore's handler is in force
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=600)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert "stopped by SIGINT after step" in stderr
    assert load_checkpoint(tmp_path / "run" / "last.ckpt").info.step >= 2
    assert files_under(tmp_path / "run") <= RUN_FILES
