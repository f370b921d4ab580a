"""Whole detectors: the exported model predicts what the detector predicts, for any batch and size from one file."""

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto

from mindrcnn.errors import InputError
from mindrcnn.onnx_export.detector import build_onnx
from mindrcnn.onnx_export.masks import add_masks

HEADS = ("faster_rcnn", "mask_rcnn", "ms_rcnn", "point_rend")
NAMES = ("boxes", "scores", "labels", "valid", "masks", "mask_scores")
OPERATORS = {
    *("Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "Conv", "Div", "Equal", "Exp", "Expand", "Flatten"),
    *("Floor", "Gather", "GatherND", "Gemm", "Greater", "GreaterOrEqual", "GridSample", "Identity", "Less"),
    *("LessOrEqual", "MatMul", "Max", "MaxPool", "Min", "Mod", "Mul", "NonMaxSuppression", "ReduceMax", "ReduceMin"),
    *("Relu", "Reshape", "Resize", "RoiAlign", "ScatterElements", "ScatterND", "Sigmoid", "Softmax", "Split", "Sqrt"),
    *("Slice", "Squeeze", "Sub", "TopK", "Transpose", "Unsqueeze", "Where"),
}
# Their shapes depend on values, or they exist only where sizes are not known.
DYNAMIC = {"NonZero", "Pad", "Range", "ReduceSum", "Shape"}


def check(outputs: dict[str, np.ndarray], expected: tuple[np.ndarray, ...], head: str) -> None:
    """Compares used slots, of which there must be some; masks are zero in the others."""
    assert list(outputs) == list(NAMES[: len(expected)])
    wanted = dict(zip(NAMES, expected, strict=False))
    for name, value in outputs.items():
        assert value.dtype == wanted[name].dtype
        assert value.shape == wanted[name].shape
    used = wanted["valid"]
    assert used.any()
    np.testing.assert_array_equal(outputs["valid"], used)
    np.testing.assert_array_equal(outputs["labels"], wanted["labels"])
    np.testing.assert_allclose(outputs["boxes"], wanted["boxes"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(outputs["scores"], wanted["scores"], rtol=0, atol=1e-5)
    if head == "faster_rcnn":
        return
    np.testing.assert_allclose(outputs["mask_scores"][used], wanted["mask_scores"][used], rtol=0, atol=1e-5)
    masks, wanted_masks = outputs["masks"][used], wanted["masks"][used]
    assert 0.05 < (wanted_masks > 0.5).mean() < 0.95
    if head == "point_rend":  # two cells that are nearly equally uncertain may change places
        assert (masks > 0.5).sum() == pytest.approx((wanted_masks > 0.5).sum(), abs=masks.size * 1e-5)
        assert (np.abs(masks - wanted_masks) > 1e-4).mean() < 1e-3
    else:
        np.testing.assert_allclose(masks, wanted_masks, rtol=0, atol=1e-4)
    assert not outputs["masks"][~used].any()


@pytest.mark.parametrize("head", HEADS)
def test_one_model_for_every_batch_and_size(small: Any, run_model: Any, head: str) -> None:
    counts = {name: small.expected[head, name][3].sum(axis=1).tolist() for name in small.batches}
    assert counts == {"two": [3, 10], "one": [2]}
    for name, batch in small.batches.items():
        check(run_model(small.models[head], batch), small.expected[head, name], head)


@pytest.mark.parametrize("head", HEADS)
def test_fixed_shapes(small: Any, run_model: Any, head: str) -> None:
    model = build_onnx(small.detectors[head], shape=(2, 64, 96))
    check(run_model(model, small.batches["two"]), small.expected[head, "two"], head)
    sizes = [one.type.tensor_type.shape.dim for one in (*model.graph.input, *model.graph.output)]
    assert all(size.HasField("dim_value") for one in sizes for size in one)
    assert operators(model) <= OPERATORS


@pytest.mark.parametrize("head", HEADS)
def test_only_plain_operators(small: Any, head: str) -> None:
    model = small.models[head]
    assert operators(model) <= OPERATORS | DYNAMIC
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    assert all(len(node.input) == 5 for node in model.graph.node if node.op_type == "NonMaxSuppression")


def operators(model: ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize(("head", "shape"), [*((head, None) for head in HEADS), ("mask_rcnn", (2, 64, 96))])
def test_no_detections(small: Any, run_model: Any, head: str, shape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small.detectors[head].box.selector, "score_thresh", 1.0)
    outputs = run_model(build_onnx(small.detectors[head], shape=shape), small.batches["two"])
    for name, value in outputs.items():
        assert not value.any(), name
        assert value.shape == small.expected[head, "two"][NAMES.index(name)].shape


def test_weights_keep_the_names_of_their_parameters(small: Any) -> None:
    detector = small.detectors["point_rend"]
    exported = {one.name for one in small.models["point_rend"].graph.initializer}
    statistics = ("gamma", "moving_mean", "moving_variance")  # folded into the convolution before them
    assert {name for name in detector.parameters_dict() if not name.endswith(statistics)} <= exported


def test_a_branch_of_an_unknown_type(small: Any) -> None:
    with pytest.raises(InputError, match=r"wanted a mask branch with an ONNX form, got FPN: .*add_masks\.register"):
        add_masks(small.detectors["faster_rcnn"].neck, None, None)
