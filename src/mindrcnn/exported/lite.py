"""MindSpore Lite, which runs MINDIR files on a CPU, a GPU or an Ascend."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.errors import InputError
from mindrcnn.exported.card import fixed_shape_of, read_card
from mindrcnn.exported.runtime import INPUTS, OpenedModel, thread_count
from mindrcnn.exported.texts import read_texts

# Lite's own default on an Ascend is float16, in which boxes beyond 1024 are whole pixels.
ASCEND_PRECISION = "preferred_fp32"


def open_with_lite(file: Path, target: str, number: int) -> OpenedModel:
    """Loads a MINDIR file. Raises InputError for a bad file and an unavailable device."""
    try:
        lite = import_module("mindspore_lite")
    except ImportError as error:
        raise InputError(
            "--backend lite: wanted the package mindspore_lite, of the version of MindSpore that wrote the file, got "
            "none; docs/deploy.md says where it is"
        ) from error
    metadata = read_texts(file)
    batch, height, width = fixed_shape_of(read_card(metadata, file), file)
    model = lite.Model()
    try:
        model.build_from_file(str(file), lite.ModelType.MINDIR, make_context(lite, target, number))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"{file}: wanted a model that MindSpore Lite loads on {target}, got one that it does not: {reason}"
        ) from error
    lock = Lock()  # the model's inputs are the model's own

    def predict(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        with lock:
            inputs = model.get_inputs()
            for tensor, values in zip(inputs, (images, image_sizes), strict=True):
                tensor.set_data_from_numpy(np.ascontiguousarray(values))
            return tuple(output.get_data_to_numpy().copy() for output in model.predict(inputs))

    return OpenedModel(
        predict=predict,
        metadata=metadata,
        inputs={INPUTS[0]: (batch, 3, height, width), INPUTS[1]: (batch, 2)},
        runtime=f"MindSpore Lite, {target}",
    )


def make_context(lite: Any, target: str, number: int) -> Any:
    """Returns Lite's description of a device."""
    context = lite.Context()
    if target == "Ascend":
        context.ascend.device_id = number
        context.ascend.precision_mode = ASCEND_PRECISION
    elif target == "GPU":
        context.gpu.device_id = number
    elif thread_count():
        context.cpu.thread_num = thread_count()
    context.target = [target.lower()]  # last: it copies the settings
    return context
