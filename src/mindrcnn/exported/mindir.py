"""MindSpore itself, which runs MINDIR files. The only module here that imports it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn
from mindspore.train.mind_ir_pb2 import ModelProto
from numpy.typing import NDArray

from mindrcnn import paths
from mindrcnn.build.device import exclusive_device, select_device
from mindrcnn.config.run import DeviceConfig
from mindrcnn.errors import InputError
from mindrcnn.exported.runtime import INPUTS, OpenedModel


def open_with_mindspore(file: Path, target: Any, number: int) -> OpenedModel:
    """Loads a MINDIR file. Raises InputError for a bad file and an unavailable device."""
    select_device(DeviceConfig(target=target, id=number))
    content = paths.read_bytes(file)
    model = ModelProto()
    try:
        model.ParseFromString(content)
        network = nn.GraphCell(ms.load(str(file)))
        sizes = list(model.graph.input[0].tensor[0].dims)
    except Exception as error:  # protobuf's and MindSpore's exceptions have no common base class
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{file}: wanted a MINDIR model, got one that MindSpore cannot load: {reason}") from error

    def predict(images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        with exclusive_device("graph"):
            outputs = network(Tensor.from_numpy(images), Tensor.from_numpy(image_sizes))
            return tuple(output.asnumpy() for output in outputs)

    return OpenedModel(
        predict=predict,
        metadata={one.key: one.value for one in model.user_info},
        inputs={INPUTS[0]: sizes, INPUTS[1]: ()},
        runtime=f"MindSpore, {target}",
    )
