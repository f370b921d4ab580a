"""The folder that a training run writes into."""

from glob import escape
from itertools import count
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.errors import InputError


def create_run_folder(root: Path, name: str, *, config_yaml: str) -> Path:
    """Creates `root`/`name`, or the next free `name`_2, `name`_3, ..., writes config.yaml into it and returns it.

    A folder with anything in it counts as taken, so no run overwrites another's files. Raises InputError when `name` is
    not a plain folder name or the folder cannot be created.
    """
    if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
        raise InputError(f"name: wanted a plain folder name for the run, got {name!r}")
    try:
        folder = _create_free_folder(root, name)
    except OSError as error:
        raise InputError(f"cannot create a run folder in {root}: {error.strerror or error}") from error
    write_text(folder / "config.yaml", config_yaml)
    return folder


def latest_run_folder(root: Path, name: str) -> Path | None:
    """Returns the highest-numbered of `root`/`name`, `name`_2, ... that is not empty, or None."""
    numbered = {1: root / name}
    for folder in root.glob(f"{escape(name)}_*"):
        suffix = folder.name.removeprefix(f"{name}_")
        if suffix.isdecimal():
            numbered[int(suffix)] = folder
    present = [number for number, folder in numbered.items() if folder.is_dir() and any(folder.iterdir())]
    return numbered[max(present)] if present else None


def _create_free_folder(root: Path, name: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = root / (name if number == 1 else f"{name}_{number}")
        try:
            folder.mkdir()  # fails for all but one of several runs that start at once
            return folder
        except FileExistsError:
            if folder.is_dir() and not any(folder.iterdir()):
                return folder
    raise AssertionError("count() does not end")
