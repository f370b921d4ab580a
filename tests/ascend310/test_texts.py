"""Texts of ONNX and MINDIR files, read without their libraries."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mindspore.train.mind_ir_pb2 import ModelProto
from onnx import ModelProto as OnnxModelProto
from onnx import helper

from mindrcnn.errors import InputError
from mindrcnn.exported.texts import read_texts

TEXTS = {"mindrcnn": '{"a": "ü"}' * 40, "other": ""}


def test_mindir(tmp_path: Path) -> None:
    model = ModelProto(ir_version="0.1.0", mind_ir_version=3, little_endian=True)
    model.graph.node.add(name="node", op_type="Add")
    for key, value in TEXTS.items():
        model.user_info.add(key=key, value=value)
    (tmp_path / "a.mindir").write_bytes(model.SerializeToString())
    assert read_texts(tmp_path / "a.mindir") == TEXTS


def test_onnx(tmp_path: Path) -> None:
    model = OnnxModelProto(ir_version=9, producer_name="x")
    helper.set_model_props(model, TEXTS)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert read_texts(tmp_path / "a.onnx") == TEXTS


def test_fields_of_fixed_size_are_skipped(tmp_path: Path, text_field: Callable[[str, str], bytes]) -> None:
    content = b"\x09" + bytes(8) + b"\x15" + bytes(4) + text_field("key", "value")
    (tmp_path / "a.mindir").write_bytes(content)
    assert read_texts(tmp_path / "a.mindir") == {"key": "value"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x72\x7f", "127 bytes at byte 2 of 2"),
        (b"\x12\x01a\x12\x03a", "3 bytes at byte 5 of 6"),
        (b"\x72", "an endless number at byte 1"),
        (b"\xff" * 40, "an endless number at byte 0"),
        (b"\x0b", "wire type 3 at byte 1"),
        (b"\x72\x03\x0a\x01k", "2"),  # a key without a value
        (b"\x72\x06\x0a\x01k\x12\x01\xff", "'utf-8' codec"),
    ],
)
def test_other_content(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.mindir"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"a\.mindir: wanted a whole ONNX or MINDIR model, got other content \("
    ) as raised:
        read_texts(path)
    assert reason in str(raised.value)
