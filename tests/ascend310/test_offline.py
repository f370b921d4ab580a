"""Evaluation of a model that another program runs: files of batches, and COCO numbers from files of outputs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindrcnn.errors import InputError
from mindrcnn.exported.card import KEY
from mindrcnn.exported.offline import read_layout
from mindrcnn.exported.texts import read_texts
from mindrcnn.programs import offline
from mindrcnn.tasks.offline import evaluate_outputs, prepare_inputs

INPUTS, OUTPUTS = Path("inputs"), Path("outputs")
StandIn = Callable[..., tuple[np.ndarray, ...]]


def run_elsewhere(stand_in: StandIn, convert: Callable[[np.ndarray], np.ndarray] = lambda values: values) -> None:
    """Does what the C++ program does."""
    OUTPUTS.mkdir()
    for file in sorted(INPUTS.glob("*.images.bin")):
        name = file.name.split(".")[0]
        sizes = np.fromfile(INPUTS / f"{name}.image_sizes.bin", np.int32).reshape(2, 2)
        outputs = [convert(values) for values in stand_in(np.fromfile(file, np.uint8).reshape(2, 3, 64, 96), sizes)]
        for index, values in enumerate(outputs):
            values.tofile(OUTPUTS / f"{name}.{index}.bin")
        lines = [f"{values.dtype} {' '.join(map(str, values.shape))}\n" for values in outputs]
        (OUTPUTS / "outputs.txt").write_text("".join(lines))


def as_some_converters_do(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.int32:
        return values.astype(np.int64)
    return values.astype(np.uint8) if values.dtype == np.bool_ else values


@pytest.fixture
def prepared(work: Path, model: Path, overrides: list[str]) -> list[str]:
    """The overrides that the inputs were prepared with."""
    assert prepare_inputs(model, overrides, INPUTS) == 0
    return overrides


@pytest.mark.parametrize("convert", [lambda values: values, as_some_converters_do])
def test_the_metrics_are_those_of_the_model(
    prepared: list[str],
    model: Path,
    stand_in: StandIn,
    expected: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    convert: Callable[[np.ndarray], np.ndarray],
) -> None:
    assert len(list(INPUTS.iterdir())) == 2 * 3  # five images in batches of two
    run_elsewhere(stand_in, convert)
    assert evaluate_outputs(model, prepared, inputs=INPUTS, outputs=OUTPUTS, out=Path("eval")) == 0
    found = json.loads(Path("eval/metrics.json").read_text())
    assert found == expected
    assert 0.5 < found["bbox"]["AP"] < 1
    assert "Average Precision" in capsys.readouterr().out


def test_other_data_than_prepared(prepared: list[str], model: Path, stand_in: StandIn) -> None:
    run_elsewhere(stand_in)
    (INPUTS / "000001.images.bin").write_bytes(bytes(2 * 3 * 64 * 96))
    with pytest.raises(InputError, match=r"^inputs/000001\.images\.bin: wanted the data set at hand, got other images"):
        evaluate_outputs(model, prepared, inputs=INPUTS, outputs=OUTPUTS, out=Path("eval"))


def test_an_output_of_wrong_size(prepared: list[str], model: Path, stand_in: StandIn) -> None:
    run_elsewhere(stand_in)
    (OUTPUTS / "000002.0.bin").write_bytes(bytes(8))
    with pytest.raises(InputError, match=r"^outputs/000002\.0\.bin: wanted 32 bytes for float32 \[2, 1, 4\], got 8"):
        evaluate_outputs(model, prepared, inputs=INPUTS, outputs=OUTPUTS, out=Path("eval"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("float32 2 1 4\nlist 2\n", r"outputs.txt: wanted lines such as 'float32 2 100 4', got 'list 2'"),
        ("float32 2 -1 4\n", r"outputs.txt: wanted lines such as 'float32 2 100 4', got 'float32 2 -1 4'"),
        ("float32 2\n\n", r"outputs.txt: wanted lines such as 'float32 2 100 4', got ''"),
        ("bool 2 1\n" * 5, r"outputs.txt: wanted 4 or 6 outputs, got 5"),
    ],
)
def test_a_bad_layout(work: Path, text: str, message: str) -> None:
    Path("outputs.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_layout(Path("outputs.txt"))


def test_a_folder_that_is_not_empty(prepared: list[str], model: Path) -> None:
    with pytest.raises(InputError, match=r"^--inputs: wanted a new or empty folder, got inputs"):
        prepare_inputs(model, prepared, INPUTS)


def test_a_model_of_any_shape(work: Path, text_field: Callable[[str, str], bytes], model: Path) -> None:
    card = json.loads(read_texts(model)[KEY])
    Path("any.onnx").write_bytes(text_field(KEY, json.dumps(card | {"batch": None})))
    with pytest.raises(InputError, match=r"^any\.onnx: wanted a model of fixed shape \(mindrcnn export --height"):
        prepare_inputs(Path("any.onnx"), [], INPUTS)


def test_another_batch_than_the_models(work: Path, model: Path, overrides: list[str]) -> None:
    with pytest.raises(InputError, match=r"^eval\.batch_size: wanted 2, which .*stand in\.mindir is fixed to, got 3"):
        prepare_inputs(model, [*overrides, "eval.batch_size=3"], INPUTS)
    assert not INPUTS.exists()


def test_outputs_belong_to_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["evaluate", "m.mindir", "--inputs", "x"],
        ["prepare", "m.mindir", "--inputs", "x", "--outputs", "y"],
    ):
        with pytest.raises(SystemExit):
            offline.parse_arguments([*words, "m.mindir", "--inputs", "x"])
        assert "evaluate wants --outputs, and prepare does not" in capsys.readouterr().err
