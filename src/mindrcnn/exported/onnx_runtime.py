"""ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.errors import InputError
from mindrcnn.exported.runtime import INPUTS, OpenedModel, import_package, thread_count

PROVIDERS = {"CPU": "CPUExecutionProvider", "GPU": "CUDAExecutionProvider", "Ascend": "CANNExecutionProvider"}


def open_with_onnxruntime(file: Path, target: str, number: int) -> OpenedModel:
    """Loads an ONNX file. Raises InputError for a bad file, and for a device that this build of the runtime lacks."""
    onnxruntime = import_package("onnxruntime", "onnx")
    provider, available = PROVIDERS[target], onnxruntime.get_available_providers()
    if provider not in available:
        raise InputError(f"device: wanted {target}, which needs {provider} of ONNX Runtime; got {', '.join(available)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    options.log_severity_level = 3  # errors
    settings: dict[str, Any] = {} if target == "CPU" else {"device_id": number}
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=[(provider, settings)])
    except Exception as error:  # its exceptions have no common base class
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{file}: wanted an ONNX model, got one that ONNX Runtime cannot load: {reason}") from error

    def predict(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        return tuple(session.run(None, dict(zip(INPUTS, (images, image_sizes), strict=True))))

    return OpenedModel(
        predict=predict,
        metadata=session.get_modelmeta().custom_metadata_map,
        inputs={one.name: one.shape for one in session.get_inputs()},
        runtime=f"ONNX Runtime, {target}",
    )
