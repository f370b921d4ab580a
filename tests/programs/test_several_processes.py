"""Training and evaluation in two processes on a CPU, against one process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from few_layers import ENVIRONMENT

from mindrcnn.datasets.demo import make_demo
from mindrcnn.engine.checkpoints.checkpoint import load_checkpoint

REPOSITORY = Path(__file__).resolve().parents[2]
# Norms that give the numbers of one process: those of the backbone are frozen, the others count the rows of both.
COMMON = (
    "data.keep_empty_images=true",
    "model.backbone.norm=frozen",
    "model.fpn.norm=sync_batch",
    "model.rpn.num_convs=2",
    "model.box={num_convs: 1, conv_channels: 8, norm: sync_batch}",
    "model.mask.norm=sync_batch",
)
WITHOUT_EVALUATION = "data.val.name="
ONE, EACH_OF_TWO = "train.batch_size=4", "train.batch_size=2"
TOTAL = 6  # steps of the tiny configuration
LIMIT = 900  # seconds for a run, on a machine that does other things too
END_LIMIT = 60  # seconds in which a job has to end after a process died

pytestmark = pytest.mark.slow


class Runs:
    """Starts programs of the repository in a folder."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder, self.config = folder, config
        self.environment = os.environ | ENVIRONMENT
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: object) -> subprocess.Popen[str]:
        self.started.append(
            subprocess.Popen(
                [sys.executable, *map(str, words)],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return self.started[-1]

    def start_two(self, *words: object, launcher: str = "msrun") -> subprocess.Popen[str]:
        logs = f"logs{len(self.started)}"
        options = ("--launcher", launcher, "--devices", 2, "--log-dir", logs)
        return self.start("-m", "mindrcnn", "launch", *options, "--", *words)

    def train_two(self, name: str, *overrides: str, **options: Any) -> subprocess.Popen[str]:
        words = (REPOSITORY / "train.py", self.config, *COMMON, EACH_OF_TWO, *overrides, "--run-dir", name, "--resume")
        return self.start_two(*words, **options)

    def train_one(self, name: str, *overrides: str) -> None:
        words = (REPOSITORY / "train.py", self.config, *COMMON, ONE, *overrides, "--run-dir", name, "--resume")
        finish(self.start(*words))

    def rows(self, name: str, kind: str) -> list[dict[str, Any]]:
        rows = map(json.loads, (self.folder / name / "metrics.jsonl").read_text().splitlines())
        return [row for row in rows if row["kind"] == kind]

    def losses(self, name: str) -> np.ndarray:
        """Steps x losses, with the gradient norm as the last column."""
        return np.array([[*row["losses"].values(), row["grad_norm"]] for row in self.rows(name, "train")])

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.communicate()


def finish(process: subprocess.Popen[str]) -> None:
    _, stderr = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, stderr


@pytest.fixture(scope="module")
def runs(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A data set with an odd number of images to evaluate, and "one", a run on it in one process."""
    folder = tmp_path_factory.mktemp("processes")
    make_demo(folder / "demo", train_images=12, val_images=5, size=64)
    config = folder / "odd.yaml"
    config.write_text(f"base: {tiny}\ndata: {{root: {folder / 'demo'}}}\n")
    runs = Runs(folder, config)
    runs.train_one("one")
    yield runs
    runs.close()


def test_two_processes_train_as_one_of_twice_the_batch(runs: Runs) -> None:
    finish(runs.train_two("two"))
    np.testing.assert_allclose(runs.losses("two"), runs.losses("one"), rtol=1e-5, atol=1e-6)
    two, one = (load_checkpoint(runs.folder / name / "last.ckpt") for name in ("two", "one"))
    for name, value in one.parameters.items():
        np.testing.assert_allclose(two.parameters[name].asnumpy(), value.asnumpy(), rtol=1e-5, atol=1e-6, err_msg=name)
    for ours, wanted in zip(runs.rows("two", "eval"), runs.rows("one", "eval"), strict=True):
        assert ours["metrics"] == pytest.approx(wanted["metrics"], abs=1e-6)
    files = {path.name for path in (runs.folder / "two").iterdir()}
    assert files == {path.name for path in (runs.folder / "one").iterdir()} | {"train_rank_1.log"}


@pytest.fixture(scope="module")
def evaluated_alone(runs: Runs) -> Path:
    """What one process finds with the checkpoint of "one"."""
    finish(runs.start(REPOSITORY / "eval.py", runs.folder / "one" / "last.ckpt", "--out", "eval_one"))
    return runs.folder / "eval_one"


@pytest.mark.parametrize("launcher", ["msrun", "mpirun"])
def test_two_processes_evaluate_as_one(runs: Runs, evaluated_alone: Path, tmp_path: Path, launcher: str) -> None:
    if launcher == "mpirun":
        mpirun = tmp_path / "mpirun"
        mpirun.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("fake_mpirun.py")} "$@"\n')
        mpirun.chmod(0o755)
        runs.environment["PATH"] = os.pathsep.join([str(tmp_path), runs.environment["PATH"]])
    checkpoint = runs.folder / "one" / "last.ckpt"
    finish(runs.start_two(REPOSITORY / "eval.py", checkpoint, "--out", f"eval_{launcher}", launcher=launcher))
    two, one = runs.folder / f"eval_{launcher}", evaluated_alone
    assert json.loads((two / "metrics.json").read_text()) == json.loads((one / "metrics.json").read_text())
    found, alone = (json.loads((folder / "results.json").read_text()) for folder in (two, one))
    order = {"key": lambda entry: (entry["image_id"], -entry["score"], entry["category_id"])}
    assert len(found) == len(alone)
    for ours, theirs in zip(sorted(found, **order), sorted(alone, **order), strict=True):
        assert (ours["image_id"], ours["category_id"]) == (theirs["image_id"], theirs["category_id"])
        assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=1e-2)
    assert len({entry["image_id"] for entry in found}) == 5


def test_a_killed_process_ends_the_job(runs: Runs) -> None:
    process = runs.train_two("killed", "train.schedule.length=1000", "train.eval_every=0", "model.mask=null")
    wait_for_step(process, 2)
    victim = worker(process, 1)
    victim.kill()
    killed = time.monotonic()
    _, stderr = process.communicate(timeout=LIMIT)
    assert time.monotonic() - killed < END_LIMIT
    assert process.returncode == 1
    assert "error: rank 1 was ended by SIGKILL" in stderr
    assert "worker_1.log" in stderr


def test_stopped_in_two_and_resumed_in_one(runs: Runs) -> None:
    process = runs.train_two("stopped", WITHOUT_EVALUATION)
    wait_for_step(process, 1)  # the line comes late enough for a few more steps
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=LIMIT)
    assert (process.returncode, stderr) == (128 + signal.SIGTERM, "stopped by SIGTERM\n")
    stopped = load_checkpoint(runs.folder / "stopped" / "last.ckpt").info
    assert 0 < stopped.step <= TOTAL // 2
    assert stopped.world_size == 2
    runs.train_one("stopped", WITHOUT_EVALUATION)
    np.testing.assert_allclose(runs.losses("stopped"), runs.losses("one"), rtol=1e-5, atol=1e-6)


def wait_for_step(process: subprocess.Popen[str], step: int) -> None:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if f"step {step}/" in line:
            return
    raise AssertionError("".join(seen) + process.communicate()[1])


def worker(launcher: subprocess.Popen[str], rank: int) -> psutil.Process:
    """The training process of a rank, below the launcher."""
    for process in psutil.Process(launcher.pid).children(recursive=True):
        environment = process.environ()
        if environment.get("MS_ROLE") == "MS_WORKER" and environment.get("RANK_ID") == str(rank):
            return process
    raise AssertionError(f"no process of rank {rank}")
