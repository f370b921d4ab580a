"""The driver with stand-in workers."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks.availability import obstacles
from benchmarks.case import MINDRCNN, OPENVINO, OPENVINO_BFLOAT16, TORCHVISION, Case, Side
from benchmarks.measure import CaseResult, measure
from benchmarks.processes import REPOSITORY, Worker, WorkerError

CASE = Case(name="group/case", group="group", kind="kind", settings={})
# Answers as benchmarks/worker.py does; writes its name into a file at every run.
SCRIPT = """
import json, sys
name, journal, fail_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
def answer(values):
    print(json.dumps(values), flush=True)
if fail_at == 0:
    answer({"error": "ImportError: nothing here"}); sys.exit(1)
answer({"ready": True, "build_seconds": 1, "warm_up_seconds": 2, "compile_seconds": 3, "facts": {"detections": [5]}})
for number, _ in enumerate(sys.stdin, start=1):
    if number == fail_at:
        print("out of memory", file=sys.stderr); sys.exit(9)
    with open(journal, "a") as file:
        file.write(name + " ")
    answer({"seconds": {"total": number, "part": 0.5}, "peak_memory": 100 - number, "run_peak_memory": number})
"""


def pretend(journal: Path, fail_at: dict[str, int]):  # type: ignore[no-untyped-def]
    def command(side: Side, case: Case) -> list[str]:
        return [sys.executable, "-c", SCRIPT, side, str(journal), str(fail_at.get(side, -1))]

    return command


def run(
    tmp_path: Path,
    turns: int,
    fail_at: dict[str, int] | None = None,
    sides: tuple[Side, ...] = (MINDRCNN, TORCHVISION),
) -> tuple[CaseResult, list[str]]:
    journal = tmp_path / "journal"
    journal.write_text("")
    command = pretend(journal, fail_at or {})
    result = measure(CASE, sides=sides, command=command, repetitions=turns, logs=tmp_path, notify=lambda text: None)
    return result, journal.read_text().split()


def test_sides_take_turns_and_each_goes_first_in_turn(tmp_path: Path) -> None:
    result, order = run(tmp_path, turns=3)
    assert order == [MINDRCNN, TORCHVISION, TORCHVISION, MINDRCNN, MINDRCNN, TORCHVISION]
    assert result.error == ""
    for side in (MINDRCNN, TORCHVISION):
        found = result.sides[side]
        assert found.seconds == {"total": [1, 2, 3], "part": [0.5, 0.5, 0.5]}
        assert (found.peak_memory, found.run_peak_memory) == (99, 3)
        assert (found.compile_seconds, found.facts) == (3, {"detections": [5]})


def test_a_worker_that_cannot_be_built_fails_its_case(tmp_path: Path) -> None:
    result, order = run(tmp_path, turns=2, fail_at={TORCHVISION: 0})
    assert "torchvision: ImportError: nothing here" in result.error
    assert order == []


def test_a_rival_that_cannot_be_built_is_left_out(tmp_path: Path) -> None:
    result, order = run(tmp_path, turns=2, fail_at={OPENVINO: 0}, sides=(MINDRCNN, OPENVINO, TORCHVISION))
    assert result.error == ""
    assert list(result.sides) == [MINDRCNN, TORCHVISION]
    assert order == [MINDRCNN, TORCHVISION, TORCHVISION, MINDRCNN]


def test_a_side_without_its_packages_or_its_processor_has_an_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : fpu avx2\n")
    monkeypatch.setattr("benchmarks.availability.PROCESSOR", cpuinfo)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torchvision" else object())
    sides: tuple[Side, ...] = (MINDRCNN, TORCHVISION, OPENVINO)
    assert obstacles(sides) == dict.fromkeys((TORCHVISION, OPENVINO), "not installed: torchvision")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert obstacles((*sides, OPENVINO_BFLOAT16)) == {OPENVINO_BFLOAT16: "the processor has no AVX512_BF16"}
    cpuinfo.write_text("flags : fpu avx512_bf16\n")
    assert obstacles((OPENVINO_BFLOAT16,)) == {}


def test_a_worker_that_dies_leaves_what_was_measured(tmp_path: Path) -> None:
    result, _ = run(tmp_path, turns=3, fail_at={MINDRCNN: 2})
    assert "mindrcnn: ended with status 9: out of memory" in result.error
    assert result.sides[MINDRCNN].seconds["total"] == [1]
    assert CaseResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_a_waiting_worker_is_suspended(tmp_path: Path) -> None:
    def state(process_id: int) -> str:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]

    command = pretend(tmp_path / "journal", {})(MINDRCNN, CASE)
    with Worker(MINDRCNN, command, log=tmp_path / "log") as worker:
        worker.ready()
        worker.run()
        deadline = time.monotonic() + 5
        while state(worker.process.pid) != "T" and time.monotonic() < deadline:
            time.sleep(0.01)  # a signal takes a moment to arrive
        assert state(worker.process.pid) == "T"
    assert worker.process.returncode == 0


def test_a_worker_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.processes.ANSWER_SECONDS", 0.2)
    with (
        Worker(MINDRCNN, [sys.executable, "-c", "import time; time.sleep(60)"], log=tmp_path / "log") as worker,
        pytest.raises(WorkerError, match="no answer"),
    ):
        worker.ready()
    assert worker.process.returncode == -9


def test_a_suspended_worker_ends_with_a_driver_that_is_killed() -> None:
    worker = "import os, signal; from benchmarks.worker import die_with_parent; die_with_parent(); " \
        "print(os.getpid(), flush=True); os.kill(os.getpid(), signal.SIGSTOP)"  # fmt: skip
    driver = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {worker!r}]); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    status = Path(f"/proc/{pid}/stat")
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while status.exists() and ") Z " not in status.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not status.exists() or ") Z " in status.read_text()
