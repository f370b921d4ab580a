"""Destinations of the package's log: the console and, for a training run, its train.log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError

PACKAGE = "mindrcnn"
_own: list[logging.Handler] = []  # what setup_logging has added; those of the user of the package stay
_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_DATE = "%H:%M:%S"
_FILE_DATE = "%Y-%m-%d %H:%M:%S"


def setup_logging(log_file: Path | None = None, *, console_level: int = logging.INFO) -> None:
    """Logs the package's messages from `console_level` up to stderr and, if `log_file` is given, from INFO up to it.

    A second call replaces the handlers of the first. Raises InputError when the file cannot be opened.
    """
    package = logging.getLogger(PACKAGE)
    end_logging()
    package.setLevel(logging.INFO)
    console = logging.StreamHandler()
    console.setLevel(console_level)
    _attach(package, console, _DATE)
    if log_file is not None:
        if paths.exists(log_file) and not paths.is_file(log_file):  # a pipe would be waited for
            raise InputError(f"{log_file}: wanted a file to write, got {paths.describe(log_file)}")
        try:
            _attach(package, logging.FileHandler(log_file, encoding="utf-8", errors="backslashreplace"), _FILE_DATE)
        except OSError as error:
            raise InputError(f"cannot write {log_file}: {error.strerror or error}") from error


def end_logging() -> None:
    """Closes what the last call of setup_logging opened."""
    for handler in _own:
        logging.getLogger(PACKAGE).removeHandler(handler)
        handler.close()
    _own.clear()


@contextmanager
def preserve_logging() -> Iterator[None]:
    """Ends the package's logging after the block and restores its level."""
    package = logging.getLogger(PACKAGE)
    level = package.level
    try:
        yield
    finally:
        end_logging()
        package.setLevel(level)


def _attach(package: logging.Logger, handler: logging.Handler, date_format: str) -> None:
    handler.setFormatter(logging.Formatter(_FORMAT, date_format))
    package.addHandler(handler)
    _own.append(handler)
