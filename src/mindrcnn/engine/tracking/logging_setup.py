"""Destinations of the package's log: the console and, for a training run, its train.log."""

import logging
from pathlib import Path

from mindrcnn.errors import InputError

PACKAGE = "mindrcnn"
_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_DATE = "%H:%M:%S"
_FILE_DATE = "%Y-%m-%d %H:%M:%S"


def setup_logging(log_file: Path | None = None, *, console_level: int = logging.INFO) -> None:
    """Logs the package's messages from `console_level` up to stderr and, if `log_file` is given, from INFO up to it.

    A second call replaces the handlers of the first. Raises InputError when the file cannot be opened.
    """
    package = logging.getLogger(PACKAGE)
    for handler in list(package.handlers):
        package.removeHandler(handler)
        handler.close()
    package.setLevel(logging.INFO)
    console = logging.StreamHandler()
    console.setLevel(console_level)
    _attach(package, console, _DATE)
    if log_file is not None:
        try:
            _attach(package, logging.FileHandler(log_file, encoding="utf-8"), _FILE_DATE)
        except OSError as error:
            raise InputError(f"cannot write {log_file}: {error.strerror or error}") from error


def _attach(package: logging.Logger, handler: logging.Handler, date_format: str) -> None:
    handler.setFormatter(logging.Formatter(_FORMAT, date_format))
    package.addHandler(handler)
