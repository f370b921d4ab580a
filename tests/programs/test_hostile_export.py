"""Exported models that somebody else wrote: whatever their card says and their graph computes, one message."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindrcnn.config.loader import parse_config
from mindrcnn.errors import InputError
from mindrcnn.exported.card import KEY, make_card, read_card
from mindrcnn.exported.opening import open_exported

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FILE = Path("m.onnx")
BOXES, MASKS = np.float32([[[4, 4, 20, 20], [0, 0, 0, 0]]]), np.ones((1, 2, 14, 14), np.float32)
OUTPUTS = {
    "boxes": BOXES,
    "scores": np.float32([[0.5, 0]]),
    "labels": np.int32([[2, 0]]),
    "valid": np.array([[True, False]]),
    "masks": MASKS,
    "mask_scores": np.float32([[0.5, 0]]),
}
NAN, INFINITY = np.float32("nan"), np.float32("inf")


def card_of(**changes: Any) -> dict[str, str]:
    config = parse_config("model: {mask: {type: mask_rcnn}}\ndata: {buckets: [[64, 64]], short_side: 64}\n", "test")
    card = make_card(config, classes=("a", "b"), category_ids=(1, 2), batch=None)
    return {KEY: json.dumps(json.loads(json.dumps(asdict(card))) | changes)}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model that returns the same arrays for every image."""

    def write_model(arrays: dict[str, np.ndarray], metadata: dict[str, str], inputs: Any = None) -> Path:
        helper, kinds = onnx.helper, onnx.TensorProto
        nodes = [helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(array, name))
                 for name, array in arrays.items()]  # fmt: skip
        sizes = inputs or {"images": ["b", 3, "h", "w"], "image_sizes": ["b", 2]}
        graph = helper.make_graph(
            nodes,
            "hostile",
            [helper.make_tensor_value_info(name, kinds.UINT8 if name == "images" else kinds.INT32, size)
             for name, size in sizes.items()],
            [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
             for name, array in arrays.items()],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.save(model, str(tmp_path / FILE))
        return tmp_path / FILE

    return write_model


def test_a_sound_model(write: Callable[..., Path]) -> None:
    found = open_exported(write(OUTPUTS, card_of())).predict(np.zeros((64, 64, 3), np.uint8))
    assert found.to_dict()["predictions"][0]["class"]["name"] == "b"
    assert len(found) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.int32([[3, 0]])}, "labels from 1 to 2, got 3 to 3"),
        ({"labels": np.int32([[0, 0]])}, "labels from 1 to 2, got 0 to 0"),
        ({"labels": np.int32([[-(2**31), 0]])}, "labels from 1 to 2"),
        ({"labels": np.float32([[1, 0]])}, "labels of shape"),
        ({"scores": np.float32([[NAN, 0]])}, "finite scores"),
        ({"boxes": np.where(BOXES > 0, INFINITY, BOXES)}, "finite boxes"),
        ({"masks": MASKS * NAN}, "finite masks"),
        ({"masks": np.ones((1, 2, 14, 7), np.float32)}, "masks of shape"),
        ({"masks": np.ones((1, 3, 14, 14), np.float32)}, "masks of shape"),
        ({"boxes": BOXES[0]}, "boxes of shape"),
        ({"boxes": np.concatenate([BOXES, BOXES])}, "boxes of shape"),
        ({"boxes": np.float32(1)}, "boxes of shape"),
        ({"valid": np.float32([[1, 0]])}, "valid of shape"),
        ({"more": BOXES}, "6 outputs, got 7"),
    ],
)
def test_other_outputs(write: Callable[..., Path], changes: dict[str, np.ndarray], message: str) -> None:
    detector = open_exported(write(OUTPUTS | changes, card_of()))
    with pytest.raises(InputError, match=rf"m\.onnx: wanted a model of detections: {message}"):
        detector.predict(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"image_sizes": ["b", 2]}, "wanted a model with the inputs images and image_sizes, got image_sizes"),
        ({"images": ["b", 3, "h"], "image_sizes": ["b", 2]}, r"wanted images \(batch, 3, height, width\)"),
        ({"images": [0, 3, 64, 64], "image_sizes": [0, 2]}, r"wanted images \(batch, 3, height, width\)"),
        ({"images": ["b", 3, "h", "w"], "image_sizes": ["b", 5]}, "the model cannot be run: .*image_sizes"),
    ],
)
def test_other_inputs(write: Callable[..., Path], inputs: dict[str, Any], message: str) -> None:
    file = write(OUTPUTS, card_of(), inputs)
    with pytest.raises(InputError, match=message):
        open_exported(file).predict(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "ab"}, "classes: wanted a list of different names"),
        ({"classes": [["a"], ["b"]]}, "classes: wanted a list of different names"),
        ({"classes": ["a", "a"]}, "classes: wanted a list of different names"),
        ({"classes": ["a", "\ud800"]}, "classes: wanted a list of different names"),
        ({"classes": []}, "classes: wanted a list of different names"),
        ({"classes": ["a"]}, "as many classes as category_ids, got 1 and 2"),
        ({"category_ids": [1.5, 2]}, "category_ids: wanted"),
        ({"category_ids": {"1": 2}}, "category_ids: wanted"),
        ({"buckets": [[1e999, 64]]}, "buckets: wanted"),
        ({"buckets": [[64]]}, "buckets: wanted"),
        ({"buckets": [[-1, 64]]}, "buckets: wanted"),
        ({"channel_order": ["rgb"]}, "channel_order: wanted"),
        ({"short_side": 10**30}, "short_side: wanted"),
        ({"batch": True}, "batch: wanted"),
        ({"mask_thresh": "0.5"}, "mask_thresh: wanted"),
        ({"config": 5}, "config: wanted a text"),
        ({"new": 5}, "another version of MindRCNN"),
    ],
)
def test_other_cards(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"m\.onnx.*{message}") as caught:
        read_card(card_of(**changes), FILE)
    assert "\n" not in str(caught.value)
    assert read_card(card_of(), FILE).classes == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested without end"),
        ('{"batch": ' + "9" * 5000 + "}", "digits"),
        ("[1]", "another version"),
        ("null", "another version"),
        ("{", "wanted JSON"),
    ],
)
def test_cards_that_are_none(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_card({KEY: text}, FILE)


@pytest.mark.parametrize("config", ["a: &a [*a]", "data: [", "model: {mask: 5}", "x: 1", "- 1", "\0"])
def test_configurations_that_are_none(write: Callable[..., Path], config: str) -> None:
    with pytest.raises(InputError, match=r"m\.onnx \(its configuration\)"):
        open_exported(write(OUTPUTS, card_of(config=config)))
