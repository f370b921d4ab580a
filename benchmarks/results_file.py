"""The JSON file of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import CaseResult
from mindrcnn.atomic import write_text


@dataclass(frozen=True)
class Results:
    """machine: what environment.describe_machine says; cases in the order they ran."""

    machine: dict[str, Any]
    cases: Sequence[CaseResult]


def write_results(path: Path, results: Results) -> None:
    """Writes the file whole or not at all; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": results.machine, "cases": [case.to_dict() for case in results.cases]}
    write_text(path, json.dumps(document, indent=1) + "\n")


def read_results(path: Path) -> Results:
    """What `write_results` wrote."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Results(machine=document["machine"], cases=[CaseResult.from_dict(case) for case in document["cases"]])
