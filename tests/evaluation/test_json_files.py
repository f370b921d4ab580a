"""Writing that leaves either the whole new file or the whole old one."""

import json
import os
import resource
import stat
from contextlib import contextmanager
from pathlib import Path

import pytest

from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json, write_json


@contextmanager
def full_disk():
    """Keeps files below 10,000 bytes inside the block; not a fixture, because pytest's own output is a file too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_round_trip_keeps_unicode(tmp_path):
    path = tmp_path / "new" / "deep" / "a.json"
    write_json(path, {"name": "ψάρι", "values": [1.5, None]})
    assert read_json(path) == {"name": "ψάρι", "values": [1.5, None]}
    assert [entry.name for entry in path.parent.iterdir()] == ["a.json"]


def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, ["old"])
    with full_disk(), pytest.raises(InputError, match=r"cannot write .*results\.json"):
        write_json(path, ["x" * 20_000])
    assert json.loads(path.read_text()) == ["old"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_no_space_at_the_last_moment(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_json(path, ["old"])

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(InputError, match="No space left"):
        write_json(path, ["new"])
    assert read_json(path) == ["old"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*results\.json"):
        write_json(tmp_path / "file" / "results.json", [])


def test_others_may_read_what_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        write_json(tmp_path / "a.json", [])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[1, 2", "wanted JSON.*line 1"), (b"", "wanted JSON"), (b'["\xff"]', "wanted JSON text in UTF-8")],
)
def test_what_is_not_json(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"bad\.json: {message}"):
        read_json(path)


def test_a_missing_file():
    with pytest.raises(InputError, match=r"nowhere\.json: cannot be read"):
        read_json(Path("nowhere.json"))


def test_names_in_another_encoding_are_escaped(tmp_path):
    write_json(tmp_path / "a.json", {"path": "caf\udce9.jpg"})
    assert read_json(tmp_path / "a.json") == {"path": "caf\udce9.jpg"}
