"""MindRCNN: two-stage detection and instance segmentation in MindSpore.

    detector = mindrcnn.load("runs/run/best.ckpt")
    found = detector.predict("photo.jpg")

docs/python.md shows every call.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mindrcnn.cpu_setup import prepare_environment
from mindrcnn.errors import InputError

if TYPE_CHECKING:
    from mindrcnn.api import evaluate, load, train
    from mindrcnn.detections import Detections
    from mindrcnn.drawing.style import Style
    from mindrcnn.image_detector import Detector
    from mindrcnn.tasks.training import TrainedRun

__version__ = "0.1.0"

__all__ = ["Detections", "Detector", "InputError", "Style", "TrainedRun", "__version__", "evaluate", "load", "train"]

# Imported when first asked for: most import MindSpore, which takes seconds.
_HOMES = {
    "Detections": "mindrcnn.detections",
    "Detector": "mindrcnn.image_detector",
    "Style": "mindrcnn.drawing.style",
    "TrainedRun": "mindrcnn.tasks.training",
    "evaluate": "mindrcnn.api",
    "load": "mindrcnn.api",
    "train": "mindrcnn.api",
}

prepare_environment()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
