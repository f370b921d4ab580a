"""Files that appear whole or not at all."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from mindrcnn.atomic import locked, replacing, write_text
from mindrcnn.errors import InputError


def test_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    write_text(path, "neu ü")
    assert path.read_text(encoding="utf-8") == "neu ü"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    """Who has the old file open keeps the old file."""
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with path.open() as reader:
        write_text(path, "new")
        assert reader.read() == "old"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_any_exception_keeps_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_os_error_becomes_an_input_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*a\.txt: (Not a directory|File exists)"):
        write_text(tmp_path / "file" / "a.txt", "text")


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    write_text(tmp_path / "new" / "deep" / "a.txt", "text")
    assert (tmp_path / "new" / "deep" / "a.txt").read_text() == "text"


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_others_put_in_the_temporary_place_is_not_written_through(tmp_path: Path, kind: str) -> None:
    place, theirs = tmp_path / ".a.partial.txt", tmp_path / "theirs.txt"
    theirs.write_text("theirs")
    if kind == "link":
        place.symlink_to(theirs)
    else:
        os.mkfifo(place)
    write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"
    assert not (tmp_path / "a.txt").is_symlink()
    assert theirs.read_text() == "theirs"


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InputError, match="lock: No locks available; MINDRCNN_CACHE names"), locked(tmp_path):
        pass


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with locked(tmp_path):
        pass


def test_what_a_killed_process_left_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as temporary:
        name = temporary
        temporary.write_text("new")
    name.write_text("left over")
    write_text(path, "newer")
    assert list(tmp_path.iterdir()) == [path]
