"""What is timed: one Case per comparison, as plain data that a worker process is started with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal

Side = Literal["mindrcnn", "portable", "torchvision"]
OURS: Side = "mindrcnn"
PORTABLE: Side = "portable"  # this package without its native kernels
THEIRS: Side = "torchvision"


@dataclass(frozen=True)
class Limit:
    """Largest allowed median of the ratio ours / other; `other` is a side, or a second timing of our own side."""

    wanted: float
    required: float
    other: str = THEIRS
    measure: Literal["seconds", "memory"] = "seconds"


@dataclass(frozen=True)
class Case:
    """One thing to time.

    kind: names the function that builds it, on each side in the table of benchmarks/worker.py.
    settings: that function's keyword arguments.
    sides: who runs it; a side whose library is missing is left out.
    repetitions: alternating turns after one that is not counted.
    core: belongs to the run without --all.
    """

    name: str
    group: str
    kind: str
    settings: dict[str, Any]
    sides: tuple[Side, ...] = (OURS, THEIRS)
    repetitions: int = 5
    core: bool = True
    limits: tuple[Limit, ...] = field(default=())

    def to_json(self) -> str:
        """What `from_json` reads; the command line of a worker."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Case:
        values = json.loads(text)
        values["sides"] = tuple(values["sides"])
        values["limits"] = tuple(Limit(**limit) for limit in values["limits"])
        return cls(**values)
