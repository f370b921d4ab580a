"""Data and run folders in object storage (obs://), copied by ModelArts' moxing.

A job on ModelArts gets its data as `obs://BUCKET/...` and loses its disk at the end, so the data is copied before
training and the run folder after it, also if training fails or is stopped.
"""

import hashlib
import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.atomic import locked
from mindrcnn.config.data import DataConfig
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

SCHEME = "obs://"
LOCAL = Path("/cache/mindrcnn")  # ModelArts' fast disk
COPIED = ".mindrcnn-copied"  # beside a folder that has been copied completely


def is_remote(place: object) -> bool:
    """Tells whether a path is in object storage."""
    return str(place).startswith((SCHEME, SCHEME.replace("//", "/")))  # Path writes one slash


def fetch_data(data: DataConfig, *, local: Path | None = None) -> DataConfig:
    """Returns the keys under `data` with a local root, to which a remote one is copied once for each machine."""
    if not is_remote(data.root):
        return data
    folder = (local or LOCAL) / "data" / hashlib.sha256(data.root.encode()).hexdigest()[:16]
    marker = folder.with_suffix(COPIED)
    with locked(folder.parent):  # the processes of a machine share the copy
        if not paths.exists(marker):
            _copy(data.root, str(folder))
            marker.touch()
    return replace(data, root=str(folder))


@contextmanager
def uploaded(run_dir: Path | None, ranks: Ranks, *, local: Path | None = None) -> Iterator[Path | None]:
    """Gives a local folder for a run folder in object storage, and copies it there at the end.

    A run that is there already is copied first, so that --resume finds it. Other folders are given back as they are.
    """
    if run_dir is None or not is_remote(run_dir):
        yield run_dir
        return
    place = SCHEME + str(run_dir).removeprefix(SCHEME).removeprefix(SCHEME.replace("//", "/"))
    folder = (local or LOCAL) / "runs" / hashlib.sha256(place.encode()).hexdigest()[:16]
    ranks.from_first(lambda: _download_run(place, folder))
    try:
        yield folder
    finally:
        if ranks.first and paths.is_folder(folder):
            _copy(str(folder), place)


def _download_run(place: str, folder: Path) -> None:
    if not paths.is_folder(folder) and _moxing().file.is_directory(place):
        _copy(place, str(folder))


def _copy(source: str, target: str) -> None:
    logger.info("copying %s to %s", source, target)
    try:
        _moxing().file.copy_parallel(source, target)
    except OSError as error:
        raise InputError(f"cannot copy {source} to {target}: {error}") from error


def _moxing() -> Any:
    try:
        return importlib.import_module("moxing")
    except ImportError as error:
        raise InputError(
            "obs://: wanted ModelArts' package moxing, which its images have, to copy folders; it is not installed"
        ) from error
