"""Measurement of the sides of a case in turns."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.case import INFERENCE_RIVALS, Case, Side
from benchmarks.processes import Worker, WorkerError

Notify = Callable[[str], None]
Command = Callable[[Side, Case], list[str]]


@dataclass
class SideResult:
    """Measurements of one side.

    seconds: by part, in the order of repetitions; "total" is the whole run.
    peak_memory: largest resident size of the whole process in bytes, building and compiling included.
    run_peak_memory: the same for the runs after the first.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    peak_memory: int = 0
    run_peak_memory: int = 0
    build_seconds: float = 0.0
    warm_up_seconds: float = 0.0
    compile_seconds: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class CaseResult:
    """A case with the results of the sides that ran; `error` is set if one of them failed."""

    case: Case
    sides: dict[str, SideResult] = field(default_factory=dict)
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON, which `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CaseResult:
        """Reads values that `to_dict` returned."""
        return cls(
            case=Case.from_json(json.dumps(values["case"])),
            sides={side: SideResult(**result) for side, result in values["sides"].items()},
            error=values["error"],
        )


def measure(
    case: Case, *, sides: Sequence[Side], command: Command, repetitions: int, logs: Path, notify: Notify
) -> CaseResult:
    """Prepares the sides one after the other, then runs them in turns.

    sides: in the order of preparation.
    command: returns the command line that starts the worker of a side.
    repetitions: turns of each side.
    logs: folder for the workers' standard error.
    notify: called with one line of progress.
    """
    result = CaseResult(case=case)
    with ExitStack() as stack:
        try:
            workers = []
            for side in sides:
                notify(f"{case.name}: preparing {side}")
                log = logs / f"{case.name.replace('/', '_').replace(' ', '_')}.{side}.log"
                worker = stack.enter_context(Worker(side, command(side, case), log=log))
                try:
                    report = dict(worker.ready())
                except WorkerError as error:
                    if side not in INFERENCE_RIVALS:
                        raise
                    notify(f"{case.name}: left out {error}")  # its library may be one that cannot read the other's file
                    continue
                del report["ready"]
                result.sides[side] = SideResult(**report)
                workers.append(worker)
            for turn in range(repetitions):
                notify(f"{case.name}: turn {turn + 1} of {repetitions}")
                # The order alternates, so that neither side always follows the other.
                for worker in workers if turn % 2 == 0 else reversed(workers):
                    record(result.sides[worker.side], worker.run())
        except WorkerError as error:
            result.error = str(error)
    return result


def record(result: SideResult, report: Mapping[str, Any]) -> None:
    """Adds one run's report."""
    for part, seconds in report["seconds"].items():
        result.seconds.setdefault(part, []).append(seconds)
    result.peak_memory = max(result.peak_memory, report["peak_memory"])
    result.run_peak_memory = max(result.run_peak_memory, report["run_peak_memory"])
