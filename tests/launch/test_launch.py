"""The launcher of several processes: its commands, and what it does when one of them ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from mindrcnn.errors import InputError
from mindrcnn.launch import supervise, workers
from mindrcnn.launch.commands import Command, Job, cores_per_process, msrun_commands
from mindrcnn.launch.guard import Guard
from mindrcnn.launch.logs import LAUNCHER_LOG, claim_log_folder
from mindrcnn.launch.workers import EndedRank, Workers
from mindrcnn.programs.launch import main

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("launched_worker.py")
SOON = 30  # seconds, far less than a worker's sleep


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two machines of two devices."""
    servers = [
        {"device": [{"rank_id": str(2 * place + index), "device_id": str(6 + index)} for index in range(2)]}
        for place in range(2)
    ]
    path = tmp_path / "hccl.json"
    path.write_text(json.dumps({"server_list": servers}))
    return path


@pytest.fixture
def single(tmp_path: Path) -> Path:
    """One machine of two devices."""
    path = tmp_path / "single.json"
    devices = [{"rank_id": str(rank), "device_id": str(rank)} for rank in range(2)]
    path.write_text(json.dumps({"server_list": [{"device": devices}]}))
    return path


@pytest.fixture
def launch(tmp_path: Path, single: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts stand-in workers by a rank table: launch("die", 1)."""
    started: list[subprocess.Popen[str]] = []

    def start(what: str, marked: int) -> subprocess.Popen[str]:
        options = ["--launcher", "rank-table", "--rank-table", str(single), "--log-dir", str(tmp_path / "logs")]
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "mindrcnn", "launch", *options, "--", str(WORKER), what, str(marked)],
                env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.communicate()


def dry_run(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    """The printed commands."""
    assert main([*options, "--log-dir", "logs", "--dry-run", "--", "train.py", "a b.yaml", "x.y=1"]) == 0
    return capsys.readouterr().out.splitlines()


def test_msrun_command(capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = dry_run(capsys, "--devices", "8", "--bind-cores")
    for word in (
        "--worker_num=8",
        "--local_worker_num=8",
        "--master_addr=127.0.0.1",
        "--bind_core=True",
        "--join=True",
    ):
        assert f" {word} " in command
    assert "HCCL_CONNECT_TIMEOUT=600" in command
    assert command.endswith("train.py 'a b.yaml' x.y=1 >logs/launcher.log")
    assert "--node_rank" not in command


def test_msrun_on_several_machines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCCL_CONNECT_TIMEOUT", "1800")
    options = "--devices 16 --local-devices 8 --node-rank 1 --master-addr 10.0.0.1 --master-port 8200"
    (command,) = dry_run(capsys, *options.split())
    for word in ("--worker_num=16", "--local_worker_num=8", "--node_rank=1", "--master_port=8200"):
        assert f" {word} " in command
    assert "--bind_core" not in command
    assert "HCCL_CONNECT_TIMEOUT=1800" in command


def test_mpirun_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = dry_run(capsys, "--launcher", "mpirun", "--devices", "4")
    assert " -n 4 --bind-to none bash -c " in command
    assert "MS_SCHED_HOST=127.0.0.1" in command
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    (command,) = dry_run(capsys, "--launcher", "mpirun", "--devices", "4", "--bind-cores")
    assert " --map-by slot:PE=2 --bind-to core " in command


def test_rank_table_commands(capsys: pytest.CaptureFixture[str], table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 3, 5, 7, 9})
    options = ["--launcher", "rank-table", "--rank-table", str(table), "--node-rank", "1", "--bind-cores"]
    commands = dry_run(capsys, *options)
    for command, rank, device, cores in zip(commands, (2, 3), (6, 7), ("1,3", "5,7"), strict=True):
        assert f" RANK_TABLE_FILE={table} RANK_ID={rank} RANK_SIZE=4 DEVICE_ID={device} taskset -c {cores} " in command
        assert command.endswith(f">logs/worker_{rank}.log")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "--devices: wanted the number of processes, got nothing"),
        ("--launcher rank-table", "--devices: wanted the number of processes, got nothing"),
        ("--launcher rank-table --devices 2", "--rank-table: wanted an HCCL rank table with --launcher rank-table"),
        ("--devices 2 --rank-table x.json", "--rank-table: wanted --launcher rank-table with it, got msrun"),
        ("--launcher rank-table --rank-table x.json", "rank table: wanted a readable JSON file, got x.json"),
        ("--launcher rank-table --rank-table TABLE --devices 3", "--devices: wanted 4, the ranks of"),
        ("--launcher rank-table --rank-table TABLE --node-rank 2", "--node-rank: wanted 0 to 1, the servers of"),
        ("--devices 8 --local-devices 3", "--local-devices: wanted a divisor of the 8 devices, got 3"),
        ("--devices 8 --local-devices 4", "--master-port: wanted the port that all machines are told, got nothing"),
        ("--devices 8 --node-rank 1", "--node-rank: wanted 0 to 0, got 1"),
        ("--launcher mpirun --devices 8 --local-devices 4 --master-port 9000", "wanted all devices on one machine"),
        ("--devices 1000000 --bind-cores --launcher mpirun", "--bind-cores: wanted at least 1000000 cores"),
    ],
)
def test_options_that_do_not_fit(capsys: pytest.CaptureFixture[str], table: Path, options: str, message: str) -> None:
    words = options.replace("TABLE", str(table)).split()
    assert main([*words, "--log-dir", "logs", "--dry-run", "--", "train.py"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--devices", "0"], ["--launcher", "ssh"], ["--devices", "2"], ["--master-port", "70000"]]
)
def test_words_that_the_parser_refuses(words: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(words)
    assert error.value.code == 2


def test_all_end_well(launch: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = launch("end", 0)
    stdout, stderr = process.communicate(timeout=SOON)
    assert (process.returncode, stdout, stderr) == (0, "rank 0 of device 0 does end\n", "")
    assert (tmp_path / "logs" / "worker_1.log").read_text() == "rank 1 of device 1 does end\n"


@pytest.mark.parametrize("name", ["launcher.log", "worker_1.log", "scheduler.log"])
def test_logs_of_others_are_not_replaced(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, single: Path, name: str
) -> None:
    options = ["--launcher", "rank-table", "--rank-table", str(single), "--log-dir", str(tmp_path)]
    theirs = tmp_path / name
    theirs.write_text("of others")
    assert main([*options, "--", str(WORKER), "end", "0"]) == 2
    assert f"{name}: would be replaced, and MindRCNN did not write it; --force" in capsys.readouterr().err
    assert theirs.read_text() == "of others"


def test_logs_of_a_job_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "worker_1.log").write_text("of others")
    claim_log_folder(tmp_path, force=True)
    with supervise.open_output(tmp_path / "launcher.log") as log:
        log.write(b"of the launcher")
    assert supervise.log_tail(tmp_path / "launcher.log").endswith("launcher.log:\n  of the launcher")
    claim_log_folder(tmp_path, force=False)
    assert supervise.log_tail(tmp_path / "launcher.log").endswith("launcher.log is empty")


@pytest.mark.parametrize(
    ("what", "marked", "status", "reason"),
    [
        ("fail", 1, 2, "rank 1 ended with status 2; 1 others were still running"),
        ("fail", 0, 2, "rank 0 ended with status 2; 1 others were still running"),
        ("die", 1, 1, "rank 1 was ended by SIGKILL; 1 others were still running"),
    ],
)
def test_one_that_ends_badly_ends_the_job(
    launch: Callable[..., subprocess.Popen[str]], what: str, marked: int, status: int, reason: str
) -> None:
    process = launch(what, marked)
    _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == status
    assert stderr.startswith(f"error: {reason}")
    assert f"worker_{marked}.log:\n  rank {marked} of device {marked} does {what}" in stderr
    assert ("  error: data.root: wanted a folder" in stderr) == (what == "fail")
    assert not workers_left()


def test_one_that_leaves_the_others_ends_the_job(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, single: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "LEAVE_GRACE", 1.0)
    options = ["--launcher", "rank-table", "--rank-table", str(single), "--log-dir", str(tmp_path / "logs")]
    assert main([*options, "--", str(WORKER), "leave", "0"]) == 1
    assert "rank 0 ended with status 0; 1 others were still running" in capsys.readouterr().err
    assert not workers_left()


@pytest.mark.parametrize(
    ("crashes", "connected", "status", "starts"),
    [(1, False, 0, 2), (3, False, 1, 3), (1, True, 1, 1)],
    ids=["once", "each time", "after it has connected"],
)
def test_a_crash_of_the_connection_starts_the_job_again(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    single: Path,
    monkeypatch: pytest.MonkeyPatch,
    crashes: int,
    connected: bool,
    status: int,
    starts: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--launcher", "rank-table", "--rank-table", str(single), "--log-dir", str(tmp_path / "logs")]
    words = ["crash", str(crashes), *["connected"] * connected]
    assert main([*options, "--", str(WORKER), *words]) == status
    *notes, last = capsys.readouterr().err.split("\n", starts - 1)
    assert notes == [
        f"rank 1 was ended by SIGSEGV while MindSpore connected the ranks; start {start} of 3"
        for start in range(2, starts + 1)
    ]
    assert last.startswith("error: rank 1 was ended by SIGSEGV") == (status != 0)


@pytest.mark.parametrize(("whose", "status"), [("all", 0), ("one", 1)])
def test_a_crash_after_all_have_finished_is_none(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    single: Path,
    monkeypatch: pytest.MonkeyPatch,
    whose: str,
    status: int,
) -> None:
    monkeypatch.setattr(supervise, "FAILURE_GRACE", 1.0)
    options = ["--launcher", "rank-table", "--rank-table", str(single), "--log-dir", str(tmp_path / "logs")]
    assert main([*options, "--", str(WORKER), "crash at the end", "1", whose]) == status
    message = capsys.readouterr().err
    assert message.startswith("rank 1 was ended by SIGSEGV while MindSpore closed its connections;") == (status == 0)
    assert message.startswith("error: rank 1 was ended by SIGSEGV; 1 others were still running") == (status == 1)
    assert not workers_left()


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_a_signal_reaches_all(
    launch: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    process = launch("wait", 0)
    logs = [tmp_path / "logs" / f"worker_{rank}.log" for rank in range(2)]
    wait_for(lambda: all(log.is_file() and log.read_text() for log in logs))
    time.sleep(0.5)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=SOON)
    assert (process.returncode, stderr) == (128 + number, f"stopped by {number.name}\n")
    assert all(log.read_text().endswith("saved\n") for log in logs)


def test_a_signal_before_the_workers_exist_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As msrun, the stand-in takes its time to start them."""
    monkeypatch.setattr(supervise, "STOP_GRACE", 4.0)
    begun = tmp_path / "begun"
    script = "import subprocess, time; time.sleep(2); subprocess.run(['touch', {!r}], env={{'RANK_ID': '0'}})"
    job = Job(program=(), devices=1, local_devices=1, log_dir=tmp_path / "logs")
    command = Command((sys.executable, "-c", script.format(str(begun))), job.log_dir / LAUNCHER_LOG)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    assert supervise.Supervisor(job, [command]).run() == 143
    assert not begun.exists()


def test_a_worker_that_is_found_after_a_signal_gets_it() -> None:
    sent: list[int] = []
    watched = Workers()
    watched.send(signal.SIGTERM)
    late: Any = SimpleNamespace(pid=1, environ=lambda: {"RANK_ID": "1"}, send_signal=sent.append)
    watched._register(late)
    assert sent == [signal.SIGTERM]


def test_the_logs_of_an_earlier_job_are_not_shown(
    tmp_path: Path, single: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Job(program=(), devices=2, local_devices=2, log_dir=tmp_path / "logs")
    claim_log_folder(job.log_dir, force=False)
    for rank in job.local_ranks:
        job.worker_log(rank).write_text("finished: an earlier job\n")
    command = Command((sys.executable, "-c", "import time; time.sleep(0.5)"), job.log_dir / LAUNCHER_LOG)
    assert supervise.Supervisor(job, [command]).run() == 0
    assert capsys.readouterr().out == ""


def test_a_killed_launcher_takes_its_workers_along(
    launch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = launch("wait", 0)
    logs = [tmp_path / "logs" / f"worker_{rank}.log" for rank in range(2)]
    wait_for(lambda: all(log.is_file() and log.read_text() for log in logs))
    process.kill()
    wait_for(lambda: not workers_left())


def test_what_a_worker_started_ends_with_the_job() -> None:
    guard = Guard("a-test")
    helper = "import subprocess, sys; subprocess.run(['sleep', '60'])"
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", helper], env=os.environ | guard.environment, start_new_session=True
    )
    wait_for(lambda: bool(psutil.Process(process.pid).children()))
    (child,) = psutil.Process(process.pid).children()
    guard.close()
    process.wait(SOON)
    wait_for(lambda: not child.is_running())


@pytest.mark.parametrize("name", ["x$(touch PWNED).logs", "a b", "-x", "é", "two\nlines", "a;b", "~x"])
def test_msrun_gets_a_log_folder_that_a_shell_leaves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINDRCNN_CACHE", str(tmp_path / "cache"))
    job = Job(program=("train.py",), devices=2, local_devices=2, log_dir=Path(name))
    (command,) = msrun_commands(job)
    (option,) = [word for word in command.words if word.startswith("--log_dir=")]
    assert re.fullmatch(r"--log_dir=[A-Za-z0-9._/-]+", option)
    assert command.output == Path(name) / "launcher.log"
    (alias,) = command.aliases
    assert str(alias.link) == option.removeprefix("--log_dir=")
    alias.make()
    alias.make()
    Path(name).mkdir()
    (alias.link / "worker_0.log").write_text("hello")
    assert job.worker_log(0).read_text() == "hello"
    printed = subprocess.run(
        ["bash", "-c", f"{alias.shell_line()} && cat {alias.link}/worker_0.log"], capture_output=True
    )
    assert (printed.returncode, printed.stdout) == (0, b"hello")
    assert not (tmp_path / "PWNED").exists()


def test_a_log_folder_without_any_plain_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDRCNN_CACHE", str(tmp_path / "my cache"))
    with pytest.raises(InputError, match="my cache"):
        msrun_commands(Job(program=("train.py",), devices=2, local_devices=2, log_dir=Path("a b")))
    (command,) = msrun_commands(
        Job(program=("train.py",), devices=2, local_devices=2, log_dir=Path("runs/lr=0.1.logs"))
    )
    assert "--log_dir=runs/lr=0.1.logs" in command.words


def test_a_port_in_use_is_named_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--devices", "2", "--log-dir", str(tmp_path / "logs"), "--master-port", str(port)]
        assert main([*options, "--", "train.py"]) == 2
    assert f"--master-port: wanted a free port on 127.0.0.1, got {port}, which is in use" in capsys.readouterr().err
    for address in ("192.0.2.1", "no.such.host.invalid", "a\0b", "x" * 300):
        assert main([*options, "--master-addr", address, "--", "train.py"]) == 2
        assert "--master-port: wanted an address of this machine" in capsys.readouterr().err
    assert main([*options[:-2], "--master-addr", "$(touch x)", "--", "train.py"]) == 2
    assert "--master-addr: wanted an address of this machine, got $(touch x)" in capsys.readouterr().err


def test_a_second_signal_ends_all_at_once(launch: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    process = launch("wait", 0)
    logs = [tmp_path / "logs" / f"worker_{rank}.log" for rank in range(2)]
    wait_for(lambda: all(log.is_file() and log.read_text() for log in logs))
    workers = psutil.Process(process.pid).children()
    for worker in workers:
        worker.suspend()
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=SOON)
    assert process.returncode == 128 + signal.SIGTERM
    assert not any(worker.is_running() for worker in workers)


def test_a_program_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, single: Path) -> None:
    options = ["--launcher", "rank-table", "--rank-table", str(single), "--log-dir", str(tmp_path / "logs")]
    assert main([*options, "--", "nowhere.py"]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_every_core_is_given_to_one_process_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(7)))
    job: Any = type("Job", (), {"local_devices": 3})()
    assert cores_per_process(job) == 2


def workers_left() -> list[psutil.Process]:
    """Stand-in workers that run."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if str(WORKER) in words and "launch" not in words:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("codes", "first"),
    [((9, None), EndedRank(1, None)), ((1 << 8, 9), EndedRank(1, 9)), ((None, 9), EndedRank(0, None))],
)
def test_of_several_that_end_at_once_one_is_the_cause(monkeypatch, codes, first):
    """9: killed; None: the launcher has taken its status, and so knew of it before it ended the others."""
    monkeypatch.setattr(workers, "_has_ended", lambda process: True)
    monkeypatch.setattr(workers, "_exit_code", lambda pid: codes[pid])
    watched = Workers()
    watched.known = {rank: SimpleNamespace(pid=rank) for rank in range(2)}
    watched.update([])
    assert watched.first_failure() == first


def test_a_status_that_msrun_has_taken_is_read_from_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stand-in takes its worker's status at once, as msrun does if it looks before the supervisor."""
    msrun = tmp_path / "msrun.py"
    msrun.write_text(
        "import subprocess, sys\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time, sys; time.sleep(1); sys.exit(2)'],"
        " env={'RANK_ID': '1'})\n"
        "status = worker.wait()\n"
        "sys.exit(f'[ERROR] ME: Worker process {worker.pid} exit with exception. Error code: {status}.')\n"
    )
    job = Job(program=(), devices=1, local_devices=1, log_dir=tmp_path / "logs")
    command = Command((sys.executable, str(msrun)), job.log_dir / LAUNCHER_LOG)
    monkeypatch.setattr(workers, "_exit_code", lambda pid: None)
    assert supervise.Supervisor(job, [command]).run() == 2
    error = capsys.readouterr().err
    assert error.startswith("error: rank 1 ended with status 2; ")
    assert "Worker process" not in error


def test_a_launcher_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    options = ["--launcher", "mpirun", "--devices", "2", "--log-dir", str(tmp_path / "logs")]
    assert main([*options, "--", "train.py"]) == 2
    assert "cannot start mpirun: " in capsys.readouterr().err


def test_a_signal_that_nobody_sent_is_no_stop(tmp_path: Path, single: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "stopped.py"
    program.write_text("import sys, time\ntime.sleep(0.5)\nsys.exit(143)\n")
    options = ["--launcher", "rank-table", "--rank-table", str(single), "--log-dir", str(tmp_path / "logs")]
    assert main([*options, "--", str(program)]) == 1
    assert "ended with status 143; the launcher sent no signal" in capsys.readouterr().err


@pytest.mark.parametrize("rank_is_first", [False, True])
def test_a_scheduler_that_ends_before_its_ranks_is_noticed(
    monkeypatch: pytest.MonkeyPatch, rank_is_first: bool
) -> None:
    ended: set[int] = set()
    monkeypatch.setattr(workers, "_has_ended", lambda process: process.pid in ended)
    monkeypatch.setattr(workers, "_exit_code", lambda pid: 11)
    watched = Workers()
    for pid, role in enumerate(("MS_SCHED", "MS_WORKER")):
        process: Any = SimpleNamespace(pid=pid, environ=lambda role=role: {"MS_ROLE": role, "RANK_ID": "0"})
        watched._register(process)
    for pid in (1, 0) if rank_is_first else (0, 1):
        ended.add(pid)
        watched.update([])
    assert watched.lost_scheduler == (not rank_is_first)
    assert watched.ended == {0: EndedRank(0, 11)}


def test_a_rank_that_lost_another_is_not_the_first_to_fail() -> None:
    watched = Workers()
    watched.ended = {0: EndedRank(0, 4 << 8), 1: EndedRank(1, 2 << 8)}
    failure = watched.first_failure()
    assert failure is not None
    assert failure.rank == 1
    del watched.ended[1]
    failure = watched.first_failure()
    assert failure is not None
    assert failure.rank == 0
