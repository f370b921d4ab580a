"""Files of a score threshold for each class, which the report writes and `mindrcnn infer --score-per-class` reads.

{"comment": "written by MindRCNN", "measure": "best F1 at IoU 0.5", "scores": {"cat": 0.43, "dog": 0.61}}
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json, write_json
from mindrcnn.messages import quote_value
from mindrcnn.outputs import COMMENT
from mindrcnn.untrusted.numbers import is_number

LISTED = 10  # classes in a message if none has a similar name


def write_thresholds(path: Path, measure: str, points: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes the thresholds of the classes that have one. Raises InputError if the file cannot be written.

    path: the file.
    measure: what they are, in words.
    points: of each class a point of its curve (precision_recall.py).
    """
    scores = {name: point["score"] for name, point in points.items()}
    write_json(path, COMMENT | {"measure": measure, "scores": scores})


def read_scores(path: Path) -> dict[str, float]:
    """Returns the scores of a file by class name. Raises InputError unless they are numbers from 0 to 1."""
    document = read_json(path)
    scores = document.get("scores") if isinstance(document, dict) else None
    if not isinstance(scores, dict):
        raise InputError(f'{path}: wanted an object with "scores": {{class: number}}, got {quote_value(document)}')
    for name, score in scores.items():
        if not is_number(score) or not 0 <= score <= 1:
            where = f"{path}: scores, {quote_value(name)}"
            raise InputError(f"{where}: wanted a number from 0 to 1, got {quote_value(score)}")
    return scores


def least_scores(scores: Mapping[str, float], classes: Sequence[str], *, default: float) -> NDArray[np.float32]:
    """Returns (K,) float32, the least score of each class: `default` for one that `scores` does not name.

    Raises InputError for a class that is not among `classes`.
    """
    for name in scores:
        if name not in classes:
            near = difflib.get_close_matches(name, classes, n=3, cutoff=0.5) or list(classes[:LISTED])
            wanted = f"wanted classes of the model (nearest: {', '.join(near)})"
            raise InputError(f"score per class: {wanted}, got {quote_value(name)}")
    return np.array([scores.get(name, default) for name in classes], np.float32)
