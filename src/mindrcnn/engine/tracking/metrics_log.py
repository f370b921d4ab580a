"""metrics.jsonl: one JSON object per line, written as training proceeds.

Rows of kind "train": step and epoch (completed; epoch is fractional), losses (name -> mean since the last row),
rpn_loss and rcnn_loss (their sums by stage), total, lr, grad_norm, images_per_s, data_wait (fraction of the time, 0 to
1), eta_s, memory_gb (place -> peak so far in 1e9 bytes; "device" only if there is one besides the host).
Rows of kind "eval": step, epoch, metrics (name -> number), classes (name -> class -> number, without classes that have
no objects). All rows have the time of day when they were written, in ISO 8601. A number that is not finite is null.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value
from mindrcnn.untrusted.json_text import parse_json
from mindrcnn.untrusted.numbers import is_number, is_whole


class MetricsLog:
    """An append-only file of rows; a row is on disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, kind: str, **values: Any) -> None:
        """Appends one row. Raises InputError when the file cannot be written."""
        line = json.dumps(replace_non_finite({"kind": kind, **values}), allow_nan=False)
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror or error}") from error

    def forget_after(self, step: int) -> None:
        """Deletes the rows after `step`, which a resumed run will write again."""
        kept = [row for row in read_rows(self.path) if row.get("step", 0) <= step]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))

    def evaluations(self, metric: str) -> list[float]:
        """Returns the metric of each evaluation, oldest first, with minus infinity for null."""
        values = [row["metrics"].get(metric) for row in read_rows(self.path) if row["kind"] == "eval"]
        return [-math.inf if value is None else value for value in values]

    def last_evaluation(self, step: int) -> dict[str, float]:
        """Returns the metrics of the last evaluation up to `step`, with NaN for null; empty if there was none."""
        rows = [row for row in read_rows(self.path) if row["kind"] == "eval" and row.get("step", 0) <= step]
        metrics = rows[-1]["metrics"] if rows else {}
        return {name: math.nan if value is None else value for name, value in metrics.items()}

    def has_evaluation(self, step: int) -> bool:
        """Tells whether the evaluation after `step` steps has a row."""
        return any(row["kind"] == "eval" and row.get("step") == step for row in read_rows(self.path))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Reads all rows of a metrics file, oldest first; none if there is no file.

    A broken last line, left by a process killed while writing, is dropped; any other broken line raises InputError.
    """
    if not paths.exists(path):
        return []
    lines = paths.read_bytes(path).splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = parse_json(line, path)
        except InputError as error:
            if number == len(lines):
                break
            got = quote_value(line.decode(errors="replace"))
            raise InputError(f"{path}, line {number}: wanted a JSON object, got {got}") from error
        if not _is_row(row):
            raise InputError(
                f"{path}, line {number}: wanted kind, step and, for an evaluation, metrics; got {line[:80]!r}"
            )
        rows.append(row)
    return rows


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str) or not is_whole(row.get("step", 0), 0):
        return False
    metrics = row.get("metrics", None if row["kind"] == "eval" else {})
    return isinstance(metrics, dict) and all(value is None or is_number(value) for value in metrics.values())


def replace_non_finite(value: Any) -> Any:
    """Replaces numbers that are not finite by None, inside mappings too: JSON has no NaN or infinity."""
    if isinstance(value, Mapping):
        return {name: replace_non_finite(item) for name, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
