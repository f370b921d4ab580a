"""What is timed: one Case per comparison, as plain data that a worker process is started with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["mindrcnn", "portable", "torchvision"]
OURS: Side = "mindrcnn"
PORTABLE: Side = "portable"  # this package without its native kernels
THEIRS: Side = "torchvision"

# Environment variable of a worker: the folder of a COCO data set with a split val2017.
DATA_VARIABLE = "BENCHMARK_DATA"


@dataclass(frozen=True)
class Case:
    """One thing to time.

    kind: names the function that builds it, on each side in the table of benchmarks/worker.py.
    settings: that function's keyword arguments.
    sides: who runs it; a side whose library is missing is left out.
    repetitions: alternating turns after one that is not counted.
    core: belongs to the run without --all.
    needs_data: runs only where --data names a data set.
    """

    name: str
    group: str
    kind: str
    settings: dict[str, Any]
    sides: tuple[Side, ...] = (OURS, THEIRS)
    repetitions: int = 5
    core: bool = True
    needs_data: bool = False

    def to_json(self) -> str:
        """What `from_json` reads; the command line of a worker."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Case:
        values = json.loads(text)
        values["sides"] = tuple(values["sides"])
        return cls(**values)
