"""The folder that a training run writes into."""

from contextlib import ExitStack
from itertools import count
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.engine.checkpoints.run_lock import LOCK, is_vacant, run_lock
from mindrcnn.errors import InputError


def create_run_folder(root: Path, name: str, *, config_yaml: str, held: ExitStack | None = None) -> Path:
    """Creates `root`/`name`, or the next free `name`_2, `name`_3, ..., writes config.yaml into it and returns it.

    A folder with anything in it counts as taken, so no run overwrites another's files. Raises InputError when `name` is
    not a plain folder name or the folder cannot be created.

    root: the folder of all runs.
    name: the name that is free or gets a number.
    config_yaml: the text of config.yaml.
    held: takes the folder's lock; without it, the lock is given up.
    """
    _require_plain(name)
    with ExitStack() as own:
        folder = _claim_free_folder(root, name, own if held is None else held)
        write_text(folder / "config.yaml", config_yaml)
    return folder


def claim_run_folder(folder: Path, *, config_yaml: str, held: ExitStack) -> Path:
    """Creates exactly this folder, writes config.yaml into it and returns it; `held` takes its lock.

    Raises InputError when another run has it, or has put something into it since it was looked at.
    """
    _require_plain(folder.name)
    paths.make_folder(folder)
    held.enter_context(run_lock(folder))
    if not is_vacant(folder):
        raise InputError(f"--run-dir: wanted a new or empty folder, got {folder}, where another run has begun")
    write_text(folder / "config.yaml", config_yaml)
    return folder


def latest_run_folder(root: Path, name: str) -> Path | None:
    """Returns the highest-numbered of `root`/`name`, `name`_2, ... that is not empty, or None."""
    numbered = {1: root / name}
    for folder in paths.list_folder(root) if paths.is_folder(root) else ():
        if not folder.name.startswith(f"{name}_"):
            continue
        suffix = folder.name.removeprefix(f"{name}_")
        if suffix.isdecimal():
            numbered[int(suffix)] = folder
    present = [number for number, folder in numbered.items() if paths.is_folder(folder) and not is_vacant(folder)]
    return numbered[max(present)] if present else None


def _require_plain(name: str) -> None:
    paths.require_name(Path(name))
    if not name or name.startswith(".") or Path(name).name != name or "\\" in name:
        raise InputError(f"name: wanted a plain folder name for the run, got {name!r}")


def _claim_free_folder(root: Path, name: str, held: ExitStack) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = root / (name if number == 1 else f"{name}_{number}")
            if _claim(folder, held):
                return folder
    except OSError as error:
        raise InputError(f"cannot create a run folder in {root}: {error.strerror or error}") from error
    raise AssertionError("count() does not end")


def _claim(folder: Path, held: ExitStack) -> bool:
    """Makes the folder this run's if it is new or empty; of several runs that start at once, one succeeds."""
    try:
        folder.mkdir()
    except FileExistsError:
        if not paths.is_folder(folder) or not is_vacant(folder):
            return False
    with ExitStack() as lock:
        try:
            lock.enter_context(run_lock(folder))
        except InputError:
            if (folder / LOCK).exists():
                return False
            raise
        if not is_vacant(folder):
            return False
        held.push(lock.pop_all())
        return True
