"""This package's detector with random weights as an ONNX file of a fixed shape.

    python -m benchmarks.own_export FILE HEAD BATCH HEIGHT WIDTH

It is a program of its own, so that a process which runs the file holds no MindSpore.
"""

import sys
from pathlib import Path

from benchmarks.mindrcnn_detector import open_config, random_detector
from mindrcnn.onnx_export.detector import build_onnx


def write(file: Path, head: str, batch: int, height: int, width: int) -> None:
    """Writes the model for images (batch, 3, height, width) uint8."""
    model = build_onnx(random_detector(open_config(head, ())), shape=(batch, height, width))
    file.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    name, kind, *sizes = sys.argv[1:]
    write(Path(name), kind, *map(int, sizes))
