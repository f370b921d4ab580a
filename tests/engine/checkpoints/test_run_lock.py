"""The lock of a run folder: one owner at a time, named to the others, and gone with its process."""

import errno
import fcntl
import json
import multiprocessing
import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mindrcnn.engine.checkpoints import run_lock as module
from mindrcnn.engine.checkpoints.run_folder import claim_run_folder, create_run_folder, latest_run_folder
from mindrcnn.engine.checkpoints.run_lock import LOCK, Owner, is_vacant, run_lock, this_process
from mindrcnn.errors import InputError


def leave_lock(folder: Path, **changes: Any) -> None:
    """Writes the lock file of a process that was killed."""
    me = this_process()
    record = {"host": me.host, "pid": me.pid, "started": me.started, "count": 3} | changes
    (folder / LOCK).write_text(json.dumps(record))


def test_a_second_owner_is_told_of_the_first(tmp_path: Path) -> None:
    with run_lock(tmp_path):
        with (
            pytest.raises(InputError, match=f"in use by process {os.getpid()} on {this_process().host}"),
            run_lock(tmp_path),
        ):
            pass
        assert is_vacant(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with run_lock(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    def hold() -> None:
        lock = run_lock(tmp_path)
        lock.__enter__()
        ready.set()
        time.sleep(60)

    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold)
    process.start()
    assert ready.wait(30)
    with pytest.raises(InputError, match=f"process {process.pid} on "), run_lock(tmp_path):
        pass
    process.kill()
    process.join()
    assert (tmp_path / LOCK).exists()
    with run_lock(tmp_path):
        pass


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT", 0.05)
    monkeypatch.setattr(module, "SILENCE", 0.3)


@pytest.mark.usefixtures("_quick")
def test_a_silent_owner_on_another_machine_has_ended(tmp_path: Path) -> None:
    leave_lock(tmp_path, host="elsewhere")
    with run_lock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["host"] == this_process().host


@pytest.mark.usefixtures("_quick")
def test_an_owner_on_another_machine_whose_count_rises_lives(tmp_path: Path) -> None:
    leave_lock(tmp_path, host="elsewhere", pid=17)
    beating = threading.Timer(0.1, lambda: leave_lock(tmp_path, host="elsewhere", pid=17, count=4))
    beating.start()
    with pytest.raises(InputError, match="in use by process 17 on elsewhere"), run_lock(tmp_path):
        pass
    beating.join()


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_without_flock_the_record_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As on a network file system whose server has no locks."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with run_lock(tmp_path), pytest.raises(InputError, match="in use by process"), run_lock(tmp_path):
        pass
    leave_lock(tmp_path, started="1")  # an earlier process with our number
    with run_lock(tmp_path):
        pass


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 512, b"[1, 2]", b'{"host": "a"}', b"[" * 100000, b'{"host": "h", "pid": 1e999, "started": "1"}'],
)
def test_a_lock_file_with_other_content_is_taken_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK).write_bytes(content)
    with run_lock(tmp_path):
        pass


def test_a_lock_file_that_the_server_has_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def samestat(one: os.stat_result, other: os.stat_result) -> bool:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(os.path, "samestat", samestat)
    with pytest.raises(InputError, match=r"run\.lock: cannot be read: Stale file handle"), run_lock(tmp_path):
        pass


def test_an_owner_may_miss_a_sign_of_life() -> None:
    assert module.SILENCE > 2 * module.BEAT


def test_the_count_rises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT", 0.02)
    with run_lock(tmp_path):
        end = time.monotonic() + 10
        while json.loads((tmp_path / LOCK).read_text())["count"] < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert (tmp_path / LOCK).stat().st_size == module._RECORD_BYTES  # so that no record is longer than the next
        record = json.loads((tmp_path / LOCK).read_text())
        del record["count"]
        assert Owner(**record) == this_process()


def test_two_at_once_never_share_and_never_get_a_number_with_a_name_of_their_own(tmp_path: Path) -> None:
    with ExitStack() as first, ExitStack() as second:
        claim_run_folder(tmp_path / "run", config_yaml="", held=first)
        with pytest.raises(InputError, match="in use by process"):
            claim_run_folder(tmp_path / "run", config_yaml="", held=second)
        assert [path.name for path in tmp_path.iterdir()] == ["run"]
    with pytest.raises(InputError, match="where another run has begun"), ExitStack() as held:
        claim_run_folder(tmp_path / "run", config_yaml="", held=held)


def test_a_folder_that_was_just_made_belongs_to_its_maker(tmp_path: Path) -> None:
    with ExitStack() as held:
        (tmp_path / "demo").mkdir()
        with run_lock(tmp_path / "demo"):  # whose config.yaml is not written yet
            assert latest_run_folder(tmp_path, "demo") is None
            assert create_run_folder(tmp_path, "demo", config_yaml="", held=held).name == "demo_2"
        with pytest.raises(InputError, match="in use"), run_lock(tmp_path / "demo_2"):
            pass
