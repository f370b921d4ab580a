"""OpenVINO, which reads ONNX files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.errors import InputError
from mindrcnn.exported.card import KEY
from mindrcnn.exported.runtime import INPUTS, OpenedModel, import_package, thread_count

_PLACE = ["framework", KEY]  # of an ONNX file's metadata in OpenVINO's


def open_with_openvino(file: Path, target: str, number: int) -> OpenedModel:
    """Loads an ONNX file. Raises InputError for a bad file and an unavailable device."""
    openvino = import_package("openvino", "openvino")
    preloaded = os.environ.get("LD_PRELOAD", "")
    if "malloc" in preloaded:  # TBB binds its NUMA library to the system's free, and the process aborts
        raise InputError(
            f"--backend openvino: wanted the system's memory allocator, got LD_PRELOAD={preloaded}, which the shell "
            "scripts set; run `LD_PRELOAD= mindrcnn ...`"
        )
    core = openvino.Core()
    device = target if target == "CPU" else f"{target}.{number}"
    if not any(name in (device, target) for name in core.available_devices):
        raise InputError(f"device: wanted {device}, got those of OpenVINO: {', '.join(core.available_devices)}")
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if target == "CPU" and thread_count():
        settings["INFERENCE_NUM_THREADS"] = thread_count()
    try:
        model = core.read_model(str(file))
        compiled = core.compile_model(model, device, settings)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{file}: wanted an ONNX model, got one that OpenVINO cannot load: {reason}") from error

    def predict(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        request = compiled.create_infer_request()  # one a call: a request is not thread-safe
        results = request.infer(dict(zip(INPUTS, (images, image_sizes), strict=True)))
        return tuple(results[output].copy() for output in compiled.outputs)

    inputs = {one.any_name: sizes_of(one.partial_shape) for one in model.inputs}
    metadata = {KEY: str(model.get_rt_info(_PLACE).value)} if model.has_rt_info(_PLACE) else {}
    return OpenedModel(predict=predict, metadata=metadata, inputs=inputs, runtime=f"OpenVINO, {target}")


def sizes_of(shape: Any) -> list[object]:
    """Returns the sizes of a partial shape; one that may vary as text."""
    return [size.get_length() if size.is_static else str(size) for size in shape] if shape.rank.is_static else []
