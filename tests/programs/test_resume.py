"""train.py --resume."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from mindrcnn.engine.checkpoints.checkpoint import load_checkpoint
from mindrcnn.engine.checkpoints.resume import newest_checkpoint
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
COMMON = ["data.keep_empty_images=true"]
STEPS_PER_EPOCH, TOTAL = 3, 6


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl without what a clock and the system give."""
    measured = ("images_per_s", "data_wait", "eta_s", "memory_gb", "time")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: row[name] for name in row if name not in measured} for row in rows]


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(
    call: Call, tiny: Path, background: Callable[..., subprocess.Popen[str]], trained_by_train_py: Path
) -> None:
    """Stopped by SIGTERM within the second epoch, then resumed: losses, metrics and parameters are bit-equal."""
    whole = trained_by_train_py / "run"
    process = background("train.py", tiny, *COMMON, "--run-dir", "work/stopped", "--resume")
    assert process.stderr is not None
    for line in process.stderr:
        if f"step {STEPS_PER_EPOCH + 1}/{TOTAL}" in line:
            process.send_signal(signal.SIGTERM)
            break
    process.communicate(timeout=600)
    assert process.returncode == 143
    stopped = load_checkpoint(Path("stopped/last.ckpt")).info.step
    assert STEPS_PER_EPOCH < stopped < TOTAL

    resumed = call(lambda: train(tiny, COMMON, Path("stopped"), resume=True))
    assert resumed.status == 0
    assert f"resumed after step {stopped} of {TOTAL}" in resumed.stderr
    assert rows_of(Path("stopped")) == rows_of(whole)
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = (load_checkpoint(folder / name) for folder in (Path("stopped"), whole))
        assert ours.info == theirs.info
        for part in ("parameters", "optimizer"):
            values, wanted = getattr(ours, part), getattr(theirs, part)
            assert values.keys() == wanted.keys()
            assert [key for key in wanted if not np.array_equal(values[key].asnumpy(), wanted[key].asnumpy())] == []


KILLS = 20
LARGE = "model.backbone={name: mobilenet_v1, norm: batch, frozen_stages: 0}"  # a save of it takes longer than a step
LONG = 60  # epochs, more than pass between the kills
MOST_STEPS, MOST_SECONDS = 8, 0.1  # from a run's first step to its end


class Killed:
    """Training runs, each in a process of its own that only a SIGKILL or its end ends."""

    def __init__(self, process: subprocess.Popen[str], config: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.requests, self.answers, self.log = process.stdin, process.stdout, process.stderr
        self.words = (str(config), *COMMON, LARGE, "data.val.name=", f"train.schedule.length={LONG}", "data.workers=0")

    def start(self, name: str) -> int:
        """Begins or resumes the run of a name; its process id."""
        config, *overrides = self.words
        print(json.dumps([config, name, *overrides]), file=self.requests, flush=True)
        return int(self.answers.readline())

    def status(self) -> int:
        """Waits for the end of the run; minus a signal's number where that ended it."""
        return int(self.answers.readline())

    def wait_for(self, text: str, count: int = 1) -> None:
        """Reads the log until a text has come so often."""
        found = (line for line in self.log if text in line)
        assert all(next(found, "") for _ in range(count))


@pytest.mark.slow
def test_kills_at_random_moments_cost_no_more_than_the_steps_since_the_last_save(
    background: Callable[..., subprocess.Popen[str]], tmp_path: Path, tiny: Path
) -> None:
    """SIGKILL, often in the middle of a save, as saving takes longer than the steps between two saves."""
    runs = Killed(background(Path(__file__).with_name("killed_training.py")), tiny)
    rng = np.random.default_rng(0)
    steps = []
    for _ in range(KILLS):
        process = runs.start("killed")
        runs.wait_for("the first step took")
        runs.wait_for(" step ", rng.integers(1, MOST_STEPS))
        time.sleep(rng.uniform(0, MOST_SECONDS))
        os.kill(process, signal.SIGKILL)
        assert runs.status() == -signal.SIGKILL
        newest = newest_checkpoint(tmp_path / "killed")
        steps.append(0 if newest is None else newest.info.step)
    assert steps == sorted(steps)
    assert len(set(steps)) > KILLS // 4  # most runs got somewhere before they were killed
    reader = Thread(target=runs.log.read)  # a full pipe would stop the runs
    reader.start()
    for name in ("killed", "whole"):
        runs.start(name)
        assert runs.status() == 0
    runs.process.kill()
    reader.join()
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")
    ours, theirs = (load_checkpoint(tmp_path / name / "last.ckpt") for name in ("killed", "whole"))
    assert ours.info == theirs.info
    assert all(np.array_equal(ours.parameters[n].asnumpy(), theirs.parameters[n].asnumpy()) for n in theirs.parameters)


@pytest.fixture
def begun(call: Call, tiny: Path, stand_in: Any) -> Path:
    """A finished run of two epochs, in runs/tiny."""
    assert call(lambda: train(tiny, [*COMMON, "data.val.name="])).status == 0
    return Path("runs/tiny")


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(call: Call, tiny: Path, begun: Path, damage: str) -> None:
    last = begun / "last.ckpt"
    whole = last.read_bytes()
    if damage == "missing":
        last.unlink()
    else:
        last.write_bytes(whole[: len(whole) // 2])
    outcome = call(lambda: train(tiny, [*COMMON, "data.val.name="], resume=True))
    assert outcome.status == 0
    assert ("last.ckpt: the checkpoint is truncated" in outcome.stderr) == (damage == "truncated")
    assert f"resumed after step {STEPS_PER_EPOCH} of {TOTAL}" in outcome.stderr
    assert load_checkpoint(last).info.step == TOTAL


def test_no_whole_checkpoint_is_an_error(call: Call, tiny: Path, begun: Path) -> None:
    for name in ("last.ckpt", "previous.ckpt"):
        (begun / name).write_bytes(b"nothing")
    assert (
        "previous.ckpt: wanted a MindRCNN checkpoint"
        in call(lambda: train(tiny, COMMON, resume=True)).error.split("resuming from")[-1]
    )


def test_a_run_without_a_checkpoint_starts_again_in_its_folder(call: Call, tiny: Path, begun: Path) -> None:
    for name in ("last.ckpt", "previous.ckpt"):
        (begun / name).unlink()
    outcome = call(lambda: train(tiny, [*COMMON, "data.val.name="], resume=True))
    assert outcome.status == 0
    assert f"resumed after step 0 of {TOTAL}" in outcome.stderr
    assert [row["step"] for row in rows_of(begun)] == list(range(1, TOTAL + 1))


def test_nothing_to_resume_starts_a_run(call: Call, tiny: Path, stand_in: Any) -> None:
    overrides = [*COMMON, "data.val.name=", "train.schedule.length=1"]
    assert call(lambda: train(tiny, overrides, resume=True)).status == 0
    assert call(lambda: train(tiny, overrides, Path("elsewhere"), resume=True)).status == 0
    assert load_checkpoint(Path("runs/tiny/last.ckpt")).info.step == STEPS_PER_EPOCH
    assert load_checkpoint(Path("elsewhere/last.ckpt")).info.step == STEPS_PER_EPOCH


def test_the_latest_of_several_runs_goes_on(call: Call, tiny: Path, begun: Path) -> None:
    shutil.copytree(begun, "runs/tiny_10")
    shutil.copytree(begun, "runs/tiny_9")
    longer = [*COMMON, "data.val.name=", "train.schedule.length=3"]
    outcome = call(lambda: train(tiny, longer, resume=True))
    assert outcome.status == 0
    assert "other settings than before: train.schedule.length: 2 -> 3\n" in outcome.stderr
    assert load_checkpoint(Path("runs/tiny_10/last.ckpt")).info.step == 3 * STEPS_PER_EPOCH
    assert load_checkpoint(Path("runs/tiny_9/last.ckpt")).info.step == TOTAL


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("train.batch_size=2", "train.batch_size: wanted 4, as the run began, got 2"),
        ("train.seed=5", "train.seed: wanted 0, as the run began, got 5"),
        ("data.train.name=val", "steps of an epoch: wanted 3, as the run began, got 1"),
        ("train.freeze=[neck.]", "entries of this optimizer's state, got"),
        ("model.fpn.out_channels=8", "parameters do not fit this model"),
    ],
)
def test_what_cannot_go_on_is_refused(call: Call, tiny: Path, begun: Path, override: str, wanted: str) -> None:
    before = (begun / "last.ckpt").read_bytes()
    assert wanted in call(lambda: train(tiny, [*COMMON, "data.val.name=", override], resume=True)).error
    assert (begun / "last.ckpt").read_bytes() == before


def test_a_folder_of_something_else_is_refused(call: Call, tiny: Path) -> None:
    Path("photos").mkdir()
    Path("photos/a.jpg").touch()
    assert (
        "--resume: wanted the folder of a training run"
        in call(lambda: train(tiny, COMMON, Path("photos"), resume=True)).error
    )
