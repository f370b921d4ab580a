"""An exported model that another program runs: on files of its inputs, and back from files of its outputs.

ascend310_infer/ is such a program. Batch 12 is 000012.images.bin and 000012.image_sizes.bin; its outputs are
000012.0.bin, 000012.1.bin and so on, raw arrays whose types and shapes outputs.txt lists.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.exported.card import fixed_shape_of, read_card
from mindrcnn.exported.runtime import INPUTS, OpenedModel
from mindrcnn.exported.texts import read_texts
from mindrcnn.image_detector import Predict

LAYOUT = "outputs.txt"
STORED_TYPES = ("float32", "float16", "int32", "int64", "bool", "uint8")
# boxes, scores, labels, valid, masks, mask_scores. Converters may change their types.
OUTPUT_TYPES = (np.float32, np.float32, np.int32, np.bool_, np.float32, np.float32)
WITHOUT_MASKS = 4

Layout = tuple[tuple[str, tuple[int, ...]], ...]  # type and shape of each output


def batch_name(number: int) -> str:
    """Returns what the names of a batch's files begin with."""
    return f"{number:06d}"


def input_files(folder: Path, number: int) -> tuple[Path, ...]:
    """Returns the files of a batch's images and image_sizes."""
    return tuple(folder / f"{batch_name(number)}.{name}.bin" for name in INPUTS)


def open_offline(file: Path, predict: Predict) -> OpenedModel:
    """Returns a model that is not loaded. Raises InputError unless it is exported with fixed shapes.

    file: the ONNX or MINDIR file, read for its card.
    predict: takes the place of running it.
    """
    metadata = read_texts(file)
    batch, height, width = fixed_shape_of(read_card(metadata, file), file)
    inputs = {INPUTS[0]: (batch, 3, height, width), INPUTS[1]: (batch, 2)}
    return OpenedModel(predict=predict, metadata=metadata, inputs=inputs, runtime="another program")


class StoredOutputs:
    """Returns the stored outputs of one batch after another.

    inputs: the folder of the inputs that the program read.
    outputs: the folder of its outputs.
    """

    def __init__(self, *, inputs: Path, outputs: Path) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.layout = read_layout(outputs / LAYOUT)
        self.number = 0

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        """Returns the outputs of the next batch. Raises InputError if the program read another."""
        number, self.number = self.number, self.number + 1
        contents = (images.tobytes(), image_sizes.tobytes())
        for file, content in zip(input_files(self.inputs, number), contents, strict=True):
            if paths.read_bytes(file) != content:
                raise InputError(f"{file}: wanted the data set at hand, got other images; prepare the inputs again")
        return tuple(
            read_array(self.outputs / f"{batch_name(number)}.{index}.bin", *stored).astype(wanted)
            for index, (stored, wanted) in enumerate(zip(self.layout, OUTPUT_TYPES, strict=False))
        )


def read_layout(file: Path) -> Layout:
    """Reads lines such as "float32 2 100 4", one per output of a model."""
    layout = []
    for line in paths.read_text(file).splitlines():
        kind, *lengths = line.split() or [""]
        if kind not in STORED_TYPES or not all(length.isdecimal() for length in lengths):
            raise InputError(f"{file}: wanted lines such as 'float32 2 100 4', got {line!r}")
        layout.append((kind, tuple(int(length) for length in lengths)))
    if len(layout) not in (WITHOUT_MASKS, len(OUTPUT_TYPES)):
        raise InputError(f"{file}: wanted {WITHOUT_MASKS} or {len(OUTPUT_TYPES)} outputs, got {len(layout)}")
    return tuple(layout)


def read_array(file: Path, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Reads a raw array. Raises InputError if its size is wrong."""
    content = paths.read_bytes(file)
    wanted = np.dtype(kind).itemsize * math.prod(shape)
    if len(content) != wanted:
        raise InputError(f"{file}: wanted {wanted} bytes for {kind} {list(shape)}, got {len(content)}")
    return np.frombuffer(content, kind).reshape(shape)
