"""Writes stand_in.onnx; MindSpore Lite's converter makes stand_in.mindir of it.

python tests/ascend310/make_stand_in.py
python3.7 -c "
import mindspore_lite as lite
converter = lite.Converter()
converter.save_type = lite.ModelType.MINDIR
converter.convert(lite.FmkType.ONNX, 'stand_in.onnx', 'stand_in')"
"""

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

BATCH, HEIGHT, WIDTH = 2, 64, 96
PIXELS = 3 * HEIGHT * WIDTH
CONSTANTS = {
    "zero": np.float32(0),
    "one": np.float32(1),
    "half": np.float32(0.5),
    "scale": np.float32(1 / 255),
    "width_first": np.array([1, 0]),
    "rows_shape": np.array([BATCH, PIXELS]),
    "boxes_shape": np.array([BATCH, 1, 4]),
    "masks_shape": np.array([BATCH, 1, 1, 1]),
    "mask": np.ones((1, 1, 2, 2), np.float32),
}
NODES = (
    ("Cast", ["image_sizes"], "sizes", {"to": TensorProto.FLOAT}),
    ("Mul", ["sizes", "zero"], "corner", {}),
    ("Gather", ["sizes", "width_first"], "opposite", {"axis": 1}),
    ("Concat", ["corner", "opposite"], "flat", {"axis": 1}),
    ("Reshape", ["flat", "boxes_shape"], "boxes", {}),
    ("Cast", ["images"], "pixels", {"to": TensorProto.FLOAT}),
    ("Reshape", ["pixels", "rows_shape"], "rows", {}),
    ("ReduceMean", ["rows"], "mean", {"axes": [1], "keepdims": 1}),
    ("Mul", ["mean", "scale"], "scores", {}),
    ("Mul", ["scores", "zero"], "zeros", {}),
    ("Add", ["zeros", "one"], "ones", {}),
    ("Cast", ["ones"], "labels", {"to": TensorProto.INT32}),
    ("Greater", ["scores", "zero"], "valid", {}),
    ("Reshape", ["ones", "masks_shape"], "cells", {}),
    ("Mul", ["cells", "mask"], "masks", {}),
    ("Mul", ["scores", "half"], "mask_scores", {}),
)
INPUTS = (
    ("images", TensorProto.UINT8, [BATCH, 3, HEIGHT, WIDTH]),
    ("image_sizes", TensorProto.INT32, [BATCH, 2]),
)
OUTPUTS = (
    ("boxes", TensorProto.FLOAT, [BATCH, 1, 4]),
    ("scores", TensorProto.FLOAT, [BATCH, 1]),
    ("labels", TensorProto.INT32, [BATCH, 1]),
    ("valid", TensorProto.BOOL, [BATCH, 1]),
    ("masks", TensorProto.FLOAT, [BATCH, 1, 2, 2]),
    ("mask_scores", TensorProto.FLOAT, [BATCH, 1]),
)


def make_model() -> ModelProto:
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [output], **attributes) for kind, inputs, output, attributes in NODES],
        "stand_in",
        [helper.make_tensor_value_info(*one) for one in INPUTS],
        [helper.make_tensor_value_info(*one) for one in OUTPUTS],
        initializer=[numpy_helper.from_array(np.asarray(value), name) for name, value in CONSTANTS.items()],
    )
    # Lite 2.0.0 reads old models only.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


if __name__ == "__main__":
    onnx.save(make_model(), "stand_in.onnx")
