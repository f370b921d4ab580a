"""Real processes on a CPU under each launcher that can run here, with a network that compiles in a moment."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("small_job.py")
LIMIT = 600  # seconds, on a machine that does other things too
END_LIMIT = 60  # seconds in which a job has to end after a process died

Start = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(
    params=[
        "msrun",
        "a stand-in for mpirun",
        pytest.param("mpirun", marks=pytest.mark.skipif(shutil.which("mpirun") is None, reason="no Open MPI here")),
    ]
)
def launcher(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(tmp_path: Path, launcher: str) -> Start:
    """Runs a command where the launcher is on PATH; in one case without kernels, and so without shared memory."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    if launcher == "a stand-in for mpirun":
        environment["MINDRCNN_NATIVE"] = "0"
        mpirun = tmp_path / "mpirun"
        mpirun.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("fake_mpirun.py")} "$@"\n')
        mpirun.chmod(0o755)
        environment["PATH"] = os.pathsep.join([str(tmp_path), environment["PATH"]])

    def run_command(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, words)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT)

    return run_command


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome of one process."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    process = subprocess.run(
        [sys.executable, PROGRAM],
        cwd=tmp_path_factory.mktemp("alone"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert process.returncode == 0, process.stderr
    return outcome(process.stdout)


def launched(launcher: str, *arguments: object) -> tuple[object, ...]:
    options = ("--launcher", launcher.split()[-1], "--devices", 2, "--log-dir", "logs")
    return ("-m", "mindrcnn", "launch", *options, "--", PROGRAM, *arguments)


def outcome(text: str) -> dict[str, Any]:
    (line,) = [line for line in text.splitlines() if line.startswith("outcome ")]
    return dict(json.loads(line.removeprefix("outcome ")))


@pytest.mark.slow
def test_two_processes_agree_with_one_on_unequal_shares(
    run: Start, alone: dict[str, Any], tmp_path: Path, launcher: str
) -> None:
    together = run(*launched(launcher))
    assert (together.returncode, together.stderr) == (0, "")
    one, first = alone, outcome(together.stdout)
    assert (one["size"], first["size"]) == (1, 2)
    assert outcome((tmp_path / "logs" / "worker_1.log").read_text()) == first
    np.testing.assert_allclose(first["losses"], one["losses"], rtol=1e-6)
    np.testing.assert_allclose(first["weights"], one["weights"], rtol=1e-6)
    np.testing.assert_allclose(first["normalised_losses"], one["normalised_losses"], rtol=1e-5)
    np.testing.assert_allclose(first["normalised"], one["normalised"], rtol=1e-5, atol=1e-6)
    assert first["told"] == "from rank 0"
    assert first["items"] == [0, 1, 2, 3, 4]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_job(run: Start, tmp_path: Path, launcher: str, victim: int) -> None:
    process = run(*launched(launcher, victim))
    ended = time.time()
    assert process.returncode == 1
    # A launcher may have asked for the status before it could be read; Open MPI says then what it was.
    assert re.search(rf"error: rank {victim} (was ended by SIGKILL|ended);", process.stderr)
    assert launcher != "mpirun" or re.search(rf"rank {victim} .*(SIGKILL|signal 9)", process.stderr)
    log = tmp_path / "logs" / f"worker_{victim}.log"
    assert str(log.relative_to(tmp_path)) in process.stderr
    (killed,) = [line for line in log.read_text().splitlines() if line.startswith("killed at ")]
    assert ended - float(killed.split()[-1]) < END_LIMIT
