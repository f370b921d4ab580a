"""Checks of what an exported model computes, since anybody may have written its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.errors import InputError
from mindrcnn.image_detector import Predict

# Names, kinds of NumPy type (OpenVINO has no bool) and number of dimensions of the outputs, without and with masks.
_BOXES = (("boxes", "f", 3), ("scores", "f", 2), ("labels", "iu", 2), ("valid", "biu", 2))
_MASKS = (("masks", "f", 4), ("mask_scores", "f", 2))


@dataclass(frozen=True)
class CheckedModel:
    """Calls a model. Raises InputError if it cannot be run, or returns something else than detections.

    predict: runs the model.
    file: the model's file, for messages.
    classes: number of classes, the largest label.
    has_masks: whether its configuration promises masks.
    """

    predict: Predict
    file: Path
    classes: int
    has_masks: bool

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        """Takes the arguments and returns the result of the model."""
        try:
            outputs = self.predict(images, image_sizes)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # the runtimes' exceptions have no common base class
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise InputError(f"{self.file}: the model cannot be run: {reason}") from error
        fault = self._fault(outputs, len(images))
        if fault is not None:
            raise InputError(f"{self.file}: wanted a model of detections: {fault}")
        return outputs

    def _fault(self, outputs: tuple[NDArray[Any], ...], images: int) -> str | None:
        """Describes the first fault of the outputs; None if there is none."""
        wanted = (*_BOXES, *_MASKS) if self.has_masks else _BOXES
        if len(outputs) != len(wanted):
            return f"{len(wanted)} outputs, got {len(outputs)}"
        slots = outputs[0].shape[1] if outputs[0].ndim > 1 else 0
        for output, (name, kinds, dimensions) in zip(outputs, wanted, strict=True):
            last = {"boxes": (4,), "masks": output.shape[-1:] * 2}.get(name, ())
            shape = (images, slots, *last)
            if output.dtype.kind not in kinds or output.ndim != dimensions or output.shape != shape:
                return f"{name} of shape {shape}, got shape {output.shape} of {output.dtype}"
        valid, labels = outputs[3].astype(bool), outputs[2]
        for output, (name, kinds, _) in zip(outputs, wanted, strict=True):
            if kinds == "f" and not np.isfinite(output[valid]).all():
                return f"finite {name}, got NaN or infinity"
        if ((labels < 1) | (labels > self.classes))[valid].any():
            return f"labels from 1 to {self.classes}, got {labels[valid].min()} to {labels[valid].max()}"
        return None
