"""Benchmark cases: plain data, one Case per comparison, that worker processes are started with."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal[
    "mindrcnn",
    "portable",
    "torchvision",
    "channels_last",
    "onnxruntime",
    "openvino",
    "openvino_bfloat16",
    "own_onnxruntime",
    "own_openvino",
]
MINDRCNN: Side = "mindrcnn"
PORTABLE: Side = "portable"  # this package without its native kernels
TORCHVISION: Side = "torchvision"
CHANNELS_LAST: Side = "channels_last"  # torchvision with PyTorch's faster layout of convolutions
ONNXRUNTIME: Side = "onnxruntime"  # torchvision's own export
OPENVINO: Side = "openvino"  # the same without pasted masks, which OpenVINO does not load
OPENVINO_BFLOAT16: Side = "openvino_bfloat16"
OWN_ONNXRUNTIME: Side = "own_onnxruntime"  # this package's export
OWN_OPENVINO: Side = "own_openvino"

INFERENCE_RIVALS = (CHANNELS_LAST, ONNXRUNTIME, OPENVINO, OPENVINO_BFLOAT16, OWN_ONNXRUNTIME, OWN_OPENVINO)
TRAINING_RIVALS = (CHANNELS_LAST,)

# Titles in tables and pictures.
NAMES: dict[str, str] = {
    MINDRCNN: "MindRCNN",
    PORTABLE: "MindRCNN, portable",
    TORCHVISION: "torchvision",
    CHANNELS_LAST: "torchvision, channels_last",
    ONNXRUNTIME: "torchvision's export, ONNX Runtime",
    OPENVINO: "torchvision's export, OpenVINO",
    OPENVINO_BFLOAT16: "torchvision's export, OpenVINO bfloat16",
    OWN_ONNXRUNTIME: "our export, ONNX Runtime",
    OWN_OPENVINO: "our export, OpenVINO",
}

# Environment variable of a worker: the folder of a COCO data set with a split val2017.
DATA_VARIABLE = "BENCHMARK_DATA"


@dataclass(frozen=True)
class Case:
    """One thing to time.

    kind: name of the function that builds it, on each side in the table of benchmarks/worker.py.
    settings: that function's keyword arguments.
    sides: the sides that run it; a side whose library is missing is left out, and so is a rival that cannot be built.
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
