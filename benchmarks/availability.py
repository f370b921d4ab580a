"""The sides that can run on this machine."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path

from benchmarks.case import (
    CHANNELS_LAST,
    ONNXRUNTIME,
    OPENVINO,
    OPENVINO_BFLOAT16,
    OWN_ONNXRUNTIME,
    OWN_OPENVINO,
    TORCHVISION,
    Side,
)

# Packages that a side imports besides those of this package.
PACKAGES: dict[Side, tuple[str, ...]] = {
    TORCHVISION: ("torchvision",),
    CHANNELS_LAST: ("torchvision",),
    ONNXRUNTIME: ("torchvision", "onnx", "onnxruntime"),
    OPENVINO: ("torchvision", "onnx", "openvino"),
    OPENVINO_BFLOAT16: ("torchvision", "onnx", "openvino"),
    OWN_ONNXRUNTIME: ("onnx", "onnxruntime"),
    OWN_OPENVINO: ("onnx", "openvino"),
}
PROCESSOR = Path("/proc/cpuinfo")


def obstacle(side: Side) -> str:
    """Returns what keeps a side from running; empty if nothing does."""
    missing = [name for name in PACKAGES.get(side, ()) if importlib.util.find_spec(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if side == OPENVINO_BFLOAT16 and "avx512_bf16" not in PROCESSOR.read_text(encoding="utf-8").split():
        return "the processor has no AVX512_BF16"
    return ""


def obstacles(sides: Iterable[Side]) -> dict[Side, str]:
    """Returns the obstacle of each side that cannot run."""
    return {side: found for side in sides if (found := obstacle(side))}
