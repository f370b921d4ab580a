"""Runs graphs made by parts of the export, and holds a small detector with every mask branch beside its exports."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
import onnxruntime
import pytest
from mindspore import Parameter, Tensor, nn
from onnx import ModelProto, helper
from small_detector import MODEL, make_batch, make_detector

from mindrcnn.config.model import MaskConfig, MaskScoringConfig, PointRendConfig
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.onnx_export.detector import build_onnx
from mindrcnn.onnx_export.graph import Graph

HEADS: dict[str, MaskConfig | None] = {
    "faster_rcnn": None,
    "mask_rcnn": MODEL.mask,
    "ms_rcnn": MaskScoringConfig(
        resolution=4, num_convs=1, channels=16, iou_num_convs=2, iou_channels=16, iou_fc_channels=32
    ),
    "point_rend": PointRendConfig(
        resolution=4, fc_channels=32, point_layers=2, point_channels=16, subdivision_steps=3, subdivision_points=20
    ),
}
SCORE_THRESH = 0.83  # far from every score; the images of a batch keep 3 and 10 of 12 slots
Arrays = dict[str, np.ndarray]
Outputs = dict[str, np.ndarray]


def run_model(model: ModelProto, arrays: Arrays) -> Outputs:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, arrays), strict=True))


def run_part(build: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    """Calls build(graph, *inputs), which returns one value or several, and runs the graph."""
    graph = Graph()
    names = [f"input_{number}" for number in range(len(arrays))]
    for name, array in zip(names, arrays, strict=True):
        graph.input(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), [f"{name}_{axis}" for axis in range(array.ndim)]
        )
    built = build(graph, *names)
    values = [built] if isinstance(built, str) else list(built)
    for number, value in enumerate(values):
        graph._nodes.append(helper.make_node("Identity", [value], [f"output_{number}"]))
        graph._outputs.append(helper.make_empty_tensor_value_info(f"output_{number}"))
    model = helper.make_model(
        helper.make_graph(
            graph._nodes, "part", graph._inputs, graph._outputs, initializer=list(graph._constants.values())
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return list(run_model(model, dict(zip(names, arrays, strict=True))).values())


def randomise(cell: nn.Cell) -> nn.Cell:
    """Gives every parameter values that matter: a cell's own initial biases and statistics are 0 and 1."""
    rng = np.random.default_rng(0)
    for parameter in cell.get_parameters():
        low, high = (0.5, 1.5) if parameter.name.endswith(("gamma", "moving_variance")) else (-0.5, 0.5)
        parameter.set_data(Tensor(rng.uniform(low, high, parameter.shape).astype(np.float32)))
    return cell


@dataclass(frozen=True)
class Small:
    """One trunk with all heads: batches, what each head predicts eagerly, and its exports for any shape."""

    detectors: dict[str, TwoStageDetector]
    models: dict[str, ModelProto]
    batches: dict[str, Arrays]
    expected: dict[tuple[str, str], tuple[np.ndarray, ...]]  # by head and batch


@pytest.fixture(scope="session")
def small() -> Small:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    detectors = {head: small_head(mask) for head, mask in HEADS.items()}
    models = {head: build_onnx(detector) for head, detector in detectors.items()}
    batches = small_batches()
    expected = {
        (head, name): outputs for name, batch in batches.items() for head, outputs in predict(detectors, batch).items()
    }
    return Small(detectors, models, batches, expected)


def small_head(mask: MaskConfig | None) -> TwoStageDetector:
    """Returns a detector whose parameters, except those of the mask branch, are the same for every branch."""
    box = dataclasses.replace(MODEL.box, score_thresh=SCORE_THRESH)
    model = dataclasses.replace(MODEL, mask=mask, box=box)
    detector = make_detector(model, widened=("rpn.head", "box.head", "mask"))
    rng = np.random.default_rng(0)
    for name, parameter in detector.parameters_dict().items():
        if name.endswith("moving_mean"):
            set_values(parameter, rng.normal(0, 0.1, parameter.shape))
        elif name.endswith("moving_variance"):
            set_values(parameter, rng.uniform(0.5, 1.5, parameter.shape))
        elif name.startswith("mask") and name.endswith("bias"):
            set_values(parameter, rng.normal(0, 0.5, parameter.shape))
    return detector.set_train(False)


def set_values(parameter: Parameter, values: np.ndarray) -> None:
    parameter.set_data(Tensor(values.astype(np.float32)))


def small_batches() -> dict[str, Arrays]:
    """Two images of which one is padded, and one image of another size; P6 has odd sides in the latter."""
    batch = make_batch()
    two = {name: batch[name] for name in ("images", "image_sizes")}
    two["images"][1, :, 50:] = two["images"][1, :, :, 76:] = 0
    rng = np.random.default_rng(5)
    one = {
        "images": rng.integers(0, 256, (1, 3, 96, 32)).astype(np.uint8),
        "image_sizes": np.array([[96, 32]], np.int32),
    }
    return {"two": two, "one": one}


def predict(detectors: dict[str, TwoStageDetector], batch: Arrays) -> dict[str, tuple[np.ndarray, ...]]:
    """Returns each detector's outputs; the trunk, which they share, runs once."""
    first = detectors["faster_rcnn"]
    images, image_sizes = Tensor(batch["images"]), Tensor(batch["image_sizes"])
    features = first.features(images, image_sizes)
    proposals, _, valid = first.rpn.proposals(features, image_sizes)
    found = first.box.predict(features, proposals, valid, image_sizes)
    outputs = {
        head: found if detector.mask is None else found + detector.mask.predict(features, found)
        for head, detector in detectors.items()
    }
    return {head: tuple(value.asnumpy() for value in values) for head, values in outputs.items()}


@pytest.fixture(name="run_model")
def run_model_fixture() -> Callable[[ModelProto, Arrays], Outputs]:
    return run_model


@pytest.fixture(name="run_part")
def run_part_fixture() -> Callable[..., list[np.ndarray]]:
    return run_part


@pytest.fixture(name="randomise")
def randomise_fixture() -> Callable[[nn.Cell], nn.Cell]:
    return randomise
