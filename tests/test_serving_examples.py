"""The configuration files and the client for other servers, against a model that is really exported."""

import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import mindspore as ms
import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image
from small_detector import CLASSES, make_detector

from mindrcnn.build.data import build_input_format
from mindrcnn.config.loader import parse_config
from mindrcnn.data.batching.batch import evaluation_batch
from mindrcnn.evaluation.input_images import Picture
from mindrcnn.exported.card import KEY, make_card
from mindrcnn.onnx_export.detector import build_onnx

EXAMPLES = Path(__file__).resolve().parents[1] / "examples" / "serving"
TYPES = {"UINT8": 2, "INT32": 6, "FP32": 1, "BOOL": 9}  # of ONNX, by Triton's names
CARD = {
    "classes": [f"class {number}" for number in range(CLASSES)],
    "channel_order": "bgr",
    "buckets": [[64, 96], [96, 64]],
    "short_side": 64,
    "keep_ratio": True,
}


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    ms.set_context(mode=ms.PYNATIVE_MODE)
    return build_onnx(make_detector(), shape=None, metadata={KEY: json.dumps(CARD)})


@pytest.fixture(scope="module")
def client() -> ModuleType:
    spec = importlib.util.spec_from_file_location("serving_client", EXAMPLES / "client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tensors(text: str, kind: str) -> list[tuple[str, int, list[int]]]:
    """(name, ONNX type, sizes without the batch) of Triton's inputs or outputs."""
    (block,) = re.findall(rf"^{kind} \[(.*?)^\]", text, re.M | re.S)
    entry = r'name: "(\w+)" data_type: TYPE_(\w+) dims: \[ ([-\d, ]+) \]'
    return [
        (name, TYPES[kind], [int(size) for size in dims.split(",")]) for name, kind, dims in re.findall(entry, block)
    ]


def of_graph(values: Any) -> list[tuple[str, int, list[int]]]:
    """The same of a graph: a named size is any."""
    found = []
    for value in values:
        batch, *rest = value.type.tensor_type.shape.dim
        assert batch.dim_param
        found.append(
            (
                value.name,
                value.type.tensor_type.elem_type,
                [one.dim_value if one.HasField("dim_value") else -1 for one in rest],
            )
        )
    return found


def test_tritons_configuration_names_the_inputs_and_outputs_of_an_export(model: onnx.ModelProto) -> None:
    text = (EXAMPLES / "triton/mindrcnn/config.pbtxt").read_text()
    assert tensors(text, "input") == of_graph(model.graph.input)
    wanted = of_graph(model.graph.output)
    found = tensors(text, "output")
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    for (name, _, sizes), (_, _, exported) in zip(found, wanted, strict=True):
        assert len(sizes) == len(exported), name
        for size, real in zip(sizes, exported, strict=True):
            assert size in (-1, real), name
    assert 'name: "mindrcnn"' in text


def test_openvinos_configuration_keeps_float32() -> None:
    document = json.loads((EXAMPLES / "openvino_model_server/config.json").read_text())
    (entry,) = document["model_config_list"]
    assert entry["config"]["name"] == "mindrcnn"
    assert entry["config"]["plugin_config"] == {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture
def url(model: onnx.ModelProto) -> Iterator[str]:
    """A stand-in for either server: the KServe protocol with binary tensors, computed by ONNX Runtime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = {np.dtype(np.float32): "FP32", np.dtype(np.int32): "INT32", np.dtype(bool): "BOOL"}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v2/models/mindrcnn/infer"
            content = self.rfile.read(int(self.headers["Content-Length"]))
            start = int(self.headers["Inference-Header-Content-Length"])
            feed = {}
            for one in json.loads(content[:start])["inputs"]:
                end = start + one["parameters"]["binary_data_size"]
                kind = {"UINT8": np.uint8, "INT32": np.int32}[one["datatype"]]
                feed[one["name"]] = np.frombuffer(content[start:end], kind).reshape(one["shape"])
                start = end
            assert start == len(content)
            outputs = [
                (one.name, value) for one, value in zip(session.get_outputs(), session.run(None, feed), strict=True)
            ]
            header = {
                "outputs": [
                    {
                        "name": name,
                        "datatype": names[value.dtype],
                        "shape": list(value.shape),
                        "parameters": {"binary_data_size": value.nbytes},
                    }
                    for name, value in outputs
                ]
            }
            text = json.dumps(header).encode()
            self.send_response(200)
            self.send_header("Inference-Header-Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text + b"".join(value.tobytes() for _, value in outputs))

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_client_prepares_images_as_the_card_says_and_prints_what_is_found(
    client: ModuleType,
    model: onnx.ModelProto,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    onnx.save(model, tmp_path / "m.onnx")
    pixels = np.zeros((120, 100, 3), np.uint8)
    pixels[:, :, 0] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    card = client.read_card(tmp_path / "m.onnx")
    images, sizes, scales = client.prepare(Image.open(tmp_path / "a.png"), card)
    assert images.shape == (1, 3, 96, 64)
    np.testing.assert_array_equal(sizes, [[77, 64]])
    np.testing.assert_allclose(scales, [0.64, 77 / 120] * 2)
    assert images[0, 2, :77].min() == 200
    assert not images[0, :2].any()
    assert not images[0, :, 77:].any()
    monkeypatch.setattr(
        "sys.argv", ["client.py", str(tmp_path / "m.onnx"), str(tmp_path / "a.png"), "--url", url, "--score", "0"]
    )
    client.main()
    lines = capsys.readouterr().out.splitlines()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    boxes, scores, labels, valid, *_ = session.run(None, {"images": images, "image_sizes": sizes})
    assert len(lines) == valid.sum() > 0
    first = ", ".join(f"{value:.1f}" for value in boxes[0, 0] / scales)
    assert lines[0] == f"{tmp_path / 'a.png'}: class {labels[0, 0] - 1} {scores[0, 0]:.2f} at {first}"


def test_the_client_stretches_and_pads_as_the_detector_does(client: ModuleType) -> None:
    config = parse_config("data: {buckets: [[50, 70]], keep_ratio: false}", "test")
    card = make_card(config, classes=("a",), category_ids=(1,), batch=None)
    picture = Image.fromarray(np.full((120, 100, 3), 9, np.uint8))
    images, sizes, scales = client.prepare(picture, json.loads(card.to_json()))
    wanted = evaluation_batch(
        [Picture(pixels=np.asarray(picture))], bucket=(50, 70), batch_size=1, input_format=build_input_format(config)
    )
    np.testing.assert_array_equal(images, wanted.images)
    np.testing.assert_array_equal(sizes, wanted.image_sizes)
    np.testing.assert_allclose(scales, [0.7, 50 / 120] * 2)
