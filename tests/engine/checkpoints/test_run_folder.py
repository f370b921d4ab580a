"""Run folders never share files."""

from pathlib import Path

import pytest

from mindrcnn.engine.checkpoints.run_folder import create_run_folder, latest_run_folder
from mindrcnn.errors import InputError


def test_taken_names_are_counted_up(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    names = [create_run_folder(root, "demo", config_yaml=f"number: {number}\n").name for number in range(3)]
    assert names == ["demo", "demo_2", "demo_3"]
    assert (root / "demo" / "config.yaml").read_text() == "number: 0\n"
    assert (root / "demo_3" / "config.yaml").read_text() == "number: 2\n"


def test_the_latest_has_the_highest_number(tmp_path: Path) -> None:
    assert latest_run_folder(tmp_path / "none", "demo") is None
    for name in ("demo", "demo_2", "demo_10", "demo_x", "demo_b_11", "other_12"):
        create_run_folder(tmp_path, name, config_yaml="")
    (tmp_path / "demo_13").mkdir()  # with nothing in it
    assert latest_run_folder(tmp_path, "demo") == tmp_path / "demo_10"
    assert latest_run_folder(tmp_path, "demo_b") == tmp_path / "demo_b_11"
    assert latest_run_folder(tmp_path, "d*") is None


def test_an_empty_folder_is_used_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert create_run_folder(tmp_path, "empty", config_yaml="").name == "empty"
    assert create_run_folder(tmp_path, "file", config_yaml="").name == "file_2"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a", ".hidden", "a\\b"])
def test_names_that_leave_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="plain folder name"):
        create_run_folder(tmp_path, name, config_yaml="")
    assert list(tmp_path.iterdir()) == []


def test_root_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(InputError, match=r"cannot create a run folder in .*runs"):
        create_run_folder(tmp_path / "runs", "demo", config_yaml="")
