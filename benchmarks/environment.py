"""The machine and the versions that a run was measured on."""

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "mindspore",
    "numpy",
    "opencv-python-headless",
    "pycocotools",
    "torch",
    "torchvision",
    "onnxruntime",
    "openvino",
)
REPOSITORY = Path(__file__).resolve().parents[1]


def describe_machine(threads: int) -> dict[str, Any]:
    """Returns processor, threads, load, versions and commit of this run."""
    return {
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "threads": threads,
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: found for name in LIBRARIES if (found := installed(name))},
        "commit": commit(),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def processor_name() -> str:
    """Returns the processor's name as Linux reports it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def installed(distribution: str) -> str:
    """Returns the version from the package metadata; empty if the package is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    """Returns the abbreviated commit of the working tree; empty outside a repository."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True)
    return found.stdout.strip()
