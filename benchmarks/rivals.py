"""Exported models in other runtimes: torchvision's own export and ours."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import REPOSITORY
from benchmarks.scene import make_scene
from benchmarks.worker import Prepared
from mindrcnn.exported.onnx_runtime import open_with_onnxruntime
from mindrcnn.exported.openvino import open_with_openvino
from mindrcnn.exported.runtime import Open, thread_count
from mindrcnn.image_detector import image_detections

Runs = Callable[[NDArray[np.float32]], Any]  # runs torchvision's export on an image (3, H, W)


def torchvision_in_onnxruntime(*, head: str, batch: int, height: int, width: int) -> Prepared:
    """Prepares torchvision's export, masks pasted."""
    return torchvision_side(open_onnxruntime, (head, batch, height, width), "pasted")


def torchvision_in_openvino(*, head: str, batch: int, height: int, width: int) -> Prepared:
    """Prepares torchvision's export without pasting, computed in float32."""
    return torchvision_side(open_openvino, (head, batch, height, width), "unpasted")


def torchvision_in_openvino_bfloat16(*, head: str, batch: int, height: int, width: int) -> Prepared:
    """Prepares torchvision's export without pasting, computed in bfloat16 where OpenVINO finds that faster."""

    def open_bfloat16(file: Path) -> Runs:
        return open_openvino(file, "bf16")

    return torchvision_side(open_bfloat16, (head, batch, height, width), "unpasted")


def own_in_onnxruntime(*, head: str, batch: int, height: int, width: int) -> Prepared:
    """Prepares our export, masks pasted and encoded."""
    return own_side(open_with_onnxruntime, head, (batch, height, width))


def own_in_openvino(*, head: str, batch: int, height: int, width: int) -> Prepared:
    """Prepares our export, masks pasted and encoded."""
    return own_side(open_with_openvino, head, (batch, height, width))


def torchvision_side(open_file: Callable[[Path], Runs], what: tuple[str, int, int, int], masks: str) -> Prepared:
    """Prepares torchvision's export of Mask R-CNN for one image.

    open_file: loads the file into a runtime.
    what: head, batch, height and width.
    masks: pasted or unpasted.
    """
    head, batch, height, width = what
    if (head, batch) != ("mask_rcnn", 1):
        raise ValueError(f"torchvision's export: wanted mask_rcnn and one image, got {head} and {batch}")
    image = make_scene(batch=1, height=height, width=width, objects=1).images[0].astype(np.float32) / 255
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        export("benchmarks.torchvision_export", str(file), str(height), str(width), masks)
        runs = open_file(file)
    facts: dict[str, Any] = {}

    def run() -> None:
        facts["detections"] = [len(runs(image)[0])]

    return Prepared(run=run, facts=lambda: facts)


def open_onnxruntime(file: Path) -> Runs:
    """Loads a file into ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = thread_count()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {session.get_inputs()[0].name: image})


def open_openvino(file: Path, precision: str = "f32") -> Runs:
    """Loads a file into OpenVINO; precision is its hint, f32 or bf16."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": thread_count()}
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    request = compiled.create_infer_request()

    def runs(image: NDArray[np.float32]) -> list[Any]:
        results = request.infer([image])
        return [results[output] for output in compiled.outputs]

    return runs


def own_side(open_file: Open, head: str, shape: tuple[int, int, int]) -> Prepared:
    """Prepares our export of a head for images of one shape (batch, height, width)."""
    batch, height, width = shape
    images = make_scene(batch=batch, height=height, width=width, objects=1).images
    sizes = np.tile(np.array([[height, width]], np.int32), (batch, 1))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        export("benchmarks.own_export", str(file), head, *map(str, shape))
        predict = open_file(file, "CPU", 0).predict
    facts: dict[str, Any] = {}

    def run() -> None:
        outputs, size = predict(images, sizes), (height, width)
        found = [image_detections(outputs, index, valid_size=size, original_size=size) for index in range(batch)]
        facts["detections"] = [len(detections) for detections in found]

    return Prepared(run=run, facts=lambda: facts)


def export(module: str, *words: str) -> None:
    """Runs an export program; what it prints goes to this process's standard error."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", module, *words]
    subprocess.run(command, cwd=REPOSITORY, env=environment, stdout=sys.stderr, check=True)
