"""Benchmark cases: plain data, one Case per comparison, that worker processes are started with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["mindrcnn", "portable", "torchvision"]
MINDRCNN: Side = "mindrcnn"
PORTABLE: Side = "portable"  # this package without its native kernels
TORCHVISION: Side = "torchvision"

# Environment variable of a worker: the folder of a COCO data set with a split val2017.
DATA_VARIABLE = "BENCHMARK_DATA"


@dataclass(frozen=True)
class Case:
    """One thing to time.

    kind: name of the function that builds it, on each side in the table of benchmarks/worker.py.
    settings: that function's keyword arguments.
    sides: the sides that run it; a side whose library is missing is left out.
    repetitions: alternating turns after one that is not counted.
    core: belongs to the run without --all.
    needs_data: runs only if --data names a data set.
    """

    name: str
    group: str
    kind: str
    settings: dict[str, Any]
    sides: tuple[Side, ...] = (MINDRCNN, TORCHVISION)
    repetitions: int = 5
    core: bool = True
    needs_data: bool = False

    def to_json(self) -> str:
        """Returns what `from_json` reads; passed to a worker on its command line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Case:
        """Reads a case that `to_json` wrote."""
        values = json.loads(text)
        values["sides"] = tuple(values["sides"])
        return cls(**values)
