"""Export: the file predicts what the detector predicts, and bad requests write nothing."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindir_operators import require_adapted
from mindspore import Tensor, nn
from mindspore.train.mind_ir_pb2 import ModelProto
from numpy.typing import NDArray

from mindrcnn.build.device import exclusive_device
from mindrcnn.build.trained_model import open_checkpoint, restore_detector
from mindrcnn.datasets.demo import CATEGORY_IDS
from mindrcnn.errors import InputError
from mindrcnn.exported.opening import open_exported
from mindrcnn.predictor import NumpyPredictor
from mindrcnn.tasks.export import export

Call = Callable[[Callable[[], int]], Any]
TARGET = Path("folder/tiny.mindir")
DEFAULTS: dict[str, Any] = {"file_format": "MINDIR", "out": TARGET, "size": None, "batch": 1}


def requested(checkpoint: Path, *overrides: str, **changed: Any) -> Callable[[], int]:
    return lambda: export(checkpoint, overrides, **(DEFAULTS | changed))


@pytest.mark.slow
def test_the_exported_file_predicts_as_the_checkpoint_does(
    call: Call, untrained: Path, files_under: Callable[[Path], set[str]]
) -> None:
    outcome = call(requested(untrained, batch=2, size=(64, 96)))
    assert outcome.status == 0, outcome.stderr
    assert files_under(Path()) == {str(TARGET)}
    assert TARGET.stat().st_mode & 0o777 == 0o644
    assert b"libmindrcnn" not in TARGET.read_bytes()  # the kernels of this machine
    require_adapted(TARGET)
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 96), dtype=np.uint8)
    image_sizes = np.array([[64, 90], [50, 96]], np.int32)
    images[0, :, :, 90:] = images[1, :, 50:] = 0
    loaded = nn.GraphCell(ms.load(str(TARGET)))
    outputs = [output.asnumpy() for output in loaded(Tensor(images), Tensor(image_sizes))]
    check_opened(images, image_sizes, outputs)
    with exclusive_device("graph"):
        expected = NumpyPredictor(detector=restore_detector(*open_checkpoint(untrained, [])))(images, image_sizes)
    assert expected[3].any()
    assert len(outputs) == len(expected) == 6
    for output, wanted in zip(outputs, expected, strict=True):
        assert output.dtype == wanted.dtype
        np.testing.assert_allclose(output, wanted, rtol=0, atol=1e-5)


def check_opened(images: NDArray[np.uint8], image_sizes: NDArray[np.int32], outputs: list[NDArray[Any]]) -> None:
    """Opens the file as one more detector, which knows its classes and its one shape, and takes any batch."""
    model = ModelProto()
    model.ParseFromString(TARGET.read_bytes())
    assert [one.name for one in model.graph.input] == ["images", "image_sizes"]
    detector = open_exported(TARGET)
    assert detector.classes == tuple(CATEGORY_IDS)
    assert (detector.config.data.buckets, detector.config.eval.batch_size) == (((64, 96),), 2)
    three = detector._predict(images[[0, 1, 1]], image_sizes[[0, 1, 1]])
    for found, wanted in zip(three, outputs, strict=True):
        np.testing.assert_allclose(found, wanted[[0, 1, 1]], rtol=0, atol=1e-6)
    with pytest.raises(InputError, match=r"data.buckets: wanted \[\[64, 96\]\], which .* is fixed to"):
        open_exported(TARGET, ["data.buckets=[[64, 64]]"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"file_format": "AIR", "out": Path("tiny.air")}, "--format AIR: wanted device.target=Ascend, got CPU"),
        ({"out": Path("tiny.onnx")}, "--out: wanted a file name ending in .mindir, got tiny.onnx"),
        ({"size": (64, 100)}, "--height, --width: wanted multiples of 32, got 64 and 100"),
        ({"size": (0, 64)}, "--height, --width: wanted multiples of 32, got 0 and 64"),
        ({"batch": 0}, "--batch: wanted at least 1, got 0"),
        ({"file_format": "ONNX"}, "--out: wanted a file name ending in .onnx, got folder/tiny.mindir"),
        ({"file_format": "ONNX", "out": Path("a.onnx")}, "--batch: wanted --height and --width with it; without them"),
        (
            {"file_format": "ONNX", "out": Path("a.onnx"), "size": (64, 100)},
            "--height, --width: wanted multiples of 32, got 64 and 100",
        ),
    ],
)
def test_a_request_that_cannot_be_met(call: Call, untrained: Path, changed: dict[str, Any], message: str) -> None:
    assert call(requested(untrained, **changed)).error.startswith(message)
    assert not list(Path().iterdir())


@pytest.mark.parametrize("key", ["eval.tta=true", "eval.soft_nms=gaussian", "eval.agnostic_nms=true"])
def test_suppression_that_a_file_cannot_hold(call: Call, untrained: Path, key: str) -> None:
    name = key.partition("=")[0]
    assert call(requested(untrained, key)).error.startswith(f"{name}: wanted ")
    assert not list(Path().iterdir())


def test_air_on_an_ascend(call: Call, untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindrcnn.tasks.export.write_compiled", lambda *_: None)
    outcome = call(requested(untrained, "device.target=Ascend", file_format="AIR", out=Path("tiny.air")))
    assert outcome.status == 0, outcome.stderr
    assert "MindSpore deprecates AIR and will remove it; MINDIR with MindSpore Lite takes its place" in outcome.stderr


def test_the_name_comes_from_the_checkpoint(call: Call, untrained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr("mindrcnn.tasks.export.write_model", lambda *arguments: written.append(arguments[1:3]))
    assert call(requested(untrained, "data.buckets=[[96, 64], [64, 64]]", out=None)).status == 0
    assert written == [(untrained.with_suffix(".mindir"), (1, 3, 96, 64))]


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_file(
    call: Call,
    untrained: Path,
    largest_file: Callable[[int], AbstractContextManager[None]],
    files_under: Callable[[Path], set[str]],
) -> None:
    with largest_file(100_000):
        outcome = call(requested(untrained))
    assert outcome.error.startswith(f"cannot write {TARGET}: ")
    assert files_under(Path()) == set()
