"""The JSON file of a run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import CaseResult
from mindrcnn.atomic import write_text


@dataclass(frozen=True)
class Results:
    """Results of a run.

    machine: the return value of environment.describe_machine.
    cases: in the order in which they ran.
    """

    machine: dict[str, Any]
    cases: Sequence[CaseResult]


def write_results(path: Path, results: Results) -> None:
    """Writes the file atomically; creates its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": results.machine, "cases": [case.to_dict() for case in results.cases]}
    write_text(path, json.dumps(document, indent=1) + "\n")


def read_results(path: Path) -> Results:
    """Reads a file that `write_results` wrote."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Results(machine=document["machine"], cases=[CaseResult.from_dict(case) for case in document["cases"]])
