"""The subject of the rules: rows, evaluation and configuration of a run folder, and the data that it trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn import paths
from mindrcnn.check.finding import NotCheckedError
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.data.findings import Findings
from mindrcnn.doctor.examination import examine_split
from mindrcnn.doctor.network_view import network_view
from mindrcnn.engine.tracking.metrics_log import read_rows
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value
from mindrcnn.untrusted.json_text import parse_json
from mindrcnn.untrusted.numbers import is_number

ROWS, CONFIG, METRICS, RESULTS = "metrics.jsonl", "config.yaml", "eval/metrics.json", "eval/results.json"
PARTS = 10  # parts of a run whose means are compared
FALL = 0.8  # the loss at the end over that at the start, of a run that learns
LEAST_ROWS = 2 * PARTS  # for means that say something


@dataclass(frozen=True)
class Part:
    """The mean of a number over some steps."""

    first: int
    last: int
    mean: float

    def __str__(self) -> str:
        return f"steps {self.first} to {self.last}: {self.mean:.4g}"


@dataclass(frozen=True)
class Run:
    """A run folder.

    folder: where it is.
    config: its configuration, with overrides.
    rows: those of metrics.jsonl.
    classes: the classes in the metrics of the latest evaluation; none without one.
    results: its result entries.
    """

    folder: Path
    config: Config
    rows: Sequence[dict[str, Any]]
    classes: Sequence[dict[str, Any]] = ()
    results: Sequence[dict[str, Any]] = ()

    @cached_property
    def train(self) -> list[dict[str, Any]]:
        """The rows of steps, without that of the first, which is not an average."""
        return [row for row in self.rows if row["kind"] == "train"][1:]

    @cached_property
    def evaluations(self) -> list[dict[str, Any]]:
        """The rows of evaluations."""
        return [row for row in self.rows if row["kind"] == "eval"]

    @cached_property
    def started(self) -> float | None:
        """The total loss of the first step."""
        first: float | None = next((row.get("total") for row in self.rows if row["kind"] == "train"), None)
        return first

    @property
    def loss_names(self) -> list[str]:
        """The names of the losses in the last row."""
        return list(self.train[-1].get("losses", {})) if self.train else []

    @cached_property
    def learns(self) -> bool:
        """Whether the total loss ends clearly below that of the first step, or of the warm-up's end."""
        total = self.parts("total")
        return total[-1].mean < FALL * (self.started or total[0].mean)

    def parts(self, name: str) -> list[Part]:
        """Returns means over ten parts of the steps after the warm-up, of a loss or of another number of the rows.

        Raises NotCheckedError if there are too few rows.
        """
        warm = self.config.train.schedule.warmup_iterations
        found = [(row["step"], row.get("losses", {}).get(name, row.get(name))) for row in self.train]
        found = [(step, value) for step, value in found if step > warm and value is not None]
        if len(found) < LEAST_ROWS:
            wanted = f"wanted at least {LEAST_ROWS} rows with {name} after the warm-up"
            raise NotCheckedError(f"{ROWS}: {wanted}, got {len(found)}")
        return [
            Part(group[0][0], group[-1][0], float(np.mean([value for _, value in group])))
            for group in (
                found[index * len(found) // PARTS : (index + 1) * len(found) // PARTS] for index in range(PARTS)
            )
        ]

    @cached_property
    def best_metric(self) -> str:
        """The name of the AP that decides which evaluation is the best."""
        wanted = self.config.eval.best_metric
        masks = self.config.model.mask is not None and self.config.train.mask_branch
        return f"{('segm' if masks else 'bbox') if wanted == 'auto' else wanted}_AP"

    @cached_property
    def view(self) -> dict[str, Any]:
        """What the network gets of the training data. Raises NotCheckedError if the data cannot be read."""
        try:
            examined = examine_split(self.config, "train", workers=None, findings=Findings())
        except InputError as error:
            raise NotCheckedError(f"the training data cannot be read: {error}") from error
        return network_view(examined.survey, self.config)


def read_run(folder: Path, overrides: Sequence[str] = ()) -> Run:
    """Reads a run folder. Raises InputError if it is none, or a file of it is damaged."""
    if not paths.is_file(folder / CONFIG):
        raise InputError(f"run: wanted a run folder with {CONFIG}, got {folder}")
    rows = read_rows(folder / ROWS)
    if not rows:
        raise InputError(f"{folder / ROWS}: wanted the rows of a run, got none")
    for row in rows:
        if not _is_known(row):
            raise InputError(f"{folder / ROWS}: wanted the rows of a run, got {quote_value(row)}")
    results = _read(folder / RESULTS, lambda content: isinstance(content, list) and all(map(_is_result, content)))
    return Run(
        folder=folder,
        config=load_config(folder / CONFIG, overrides),
        rows=rows,
        classes=(_read(folder / METRICS, _has_classes) or {}).get("bbox", {}).get("per_class", ()),
        results=results or (),
    )


def _is_known(row: dict[str, Any]) -> bool:
    """Says whether a row has the numbers that its kind has; null is a number that was not finite."""
    numbers = [row.get(name) for name in ("total", "lr", "grad_norm", "images_per_s", "data_wait")]
    losses = row.get("losses", {})
    if not isinstance(losses, dict) or "step" not in row:
        return False
    return all(value is None or is_number(value) for value in (*numbers, *losses.values()))


def _is_result(entry: object) -> bool:
    return isinstance(entry, dict) and type(entry.get("image_id")) is int and is_number(entry.get("score"))


def _has_classes(content: object) -> bool:
    boxes = content.get("bbox") if isinstance(content, dict) else None
    entries = boxes.get("per_class") if isinstance(boxes, dict) else None
    return isinstance(entries, list) and all(
        isinstance(one, dict) and is_number(one.get("ap50")) and type(one.get("objects")) is int and "name" in one
        for one in entries
    )


def _read(path: Path, is_right: Callable[[object], bool]) -> Any:
    """Returns the content of a JSON file; None without one. Raises InputError for something else."""
    if not paths.is_file(path):
        return None
    content = parse_json(paths.read_bytes(path), path)
    if not is_right(content):
        raise InputError(f"{path}: wanted what an evaluation writes, got something else")
    return content
