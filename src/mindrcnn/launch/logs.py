"""The folder for the output of a job's processes: its files are replaced by a later job, those of others are not.

msrun and mpirun open most of the files themselves, so the mark of all is in one that is written before they start.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.errors import InputError
from mindrcnn.outputs import MARK, Output, is_marked, protect

LAUNCHER_LOG = "launcher.log"
_LOG = re.compile(rf"{re.escape(LAUNCHER_LOG)}|scheduler\.log|worker_\d+\.log")


def claim_log_folder(folder: Path, *, force: bool) -> None:
    """Creates the folder with a marked LAUNCHER_LOG, to which the launcher's own output is added.

    Raises InputError if it has logs that are not of a job and, without `force`, would be replaced.
    """
    paths.make_folder(folder)
    launcher_log = folder / LAUNCHER_LOG
    is_ours = paths.is_file(launcher_log) and is_marked(launcher_log)
    logs = [path for path in paths.list_folder(folder) if _LOG.fullmatch(path.name)]
    protect([Output(log, lambda _: is_ours) for log in logs], force=force)
    write_text(launcher_log, f"{MARK}\n")


def remove_logs(logs: Iterable[Path]) -> None:
    """Removes logs of an earlier job. Raises InputError if one cannot be removed."""
    for log in logs:
        try:
            log.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"cannot replace {log}: {error.strerror or error}") from error
