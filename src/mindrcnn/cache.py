"""The user's cache folder, for what is built or downloaded once."""

import os
from pathlib import Path

from mindrcnn import paths
from mindrcnn.errors import InputError

CACHE_VARIABLE = "MINDRCNN_CACHE"


def cache_folder(kind: str) -> Path:
    """Returns the folder for files of one kind, such as "native" or "weights"; it need not exist.

    It lies in $MINDRCNN_CACHE if that is set, else in $XDG_CACHE_HOME/mindrcnn, else in ~/.cache/mindrcnn.
    Raises InputError when neither variable is set and there is no home folder.
    """
    own = os.environ.get(CACHE_VARIABLE)
    if own:
        return paths.expand(own) / kind
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "mindrcnn" / kind
    except RuntimeError as error:
        raise InputError(f"cache: wanted {CACHE_VARIABLE} or a home folder, got neither") from error
