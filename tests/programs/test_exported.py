"""Exported ONNX models in the place of checkpoints: evaluation, inference and Python, also without MindSpore."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import onnx
import pytest
from mindspore import Tensor

import mindrcnn
from mindrcnn.build.detector import build_detector
from mindrcnn.config.loader import dump_config, load_config, parse_config
from mindrcnn.datasets.demo import CATEGORY_IDS
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, save_checkpoint
from mindrcnn.errors import InputError
from mindrcnn.exported import card, runtime
from mindrcnn.exported.opening import BACKENDS, FixedBatch, ScoreLimit, open_exported
from mindrcnn.opening import Runtime
from mindrcnn.programs import command_line
from mindrcnn.tasks.evaluation import evaluate_checkpoint
from mindrcnn.tasks.export import export
from mindrcnn.tasks.inference import infer

Call = Callable[[Callable[[], int]], Any]
REPOSITORY = Path(__file__).resolve().parents[2]
FIXED = (3, 64, 64)

PRELOADED = "malloc" in os.environ.get("LD_PRELOAD", "")  # as scripts/test.sh sets it; OpenVINO refuses to run with it
OPENVINO = pytest.param(
    "openvino", marks=pytest.mark.skipif(PRELOADED, reason="run by test_openvino_with_the_systems_allocator")
)


@pytest.mark.skipif(not PRELOADED, reason="the other tests run OpenVINO")
def test_openvino_with_the_systems_allocator(model: Path) -> None:
    with pytest.raises(InputError, match=r"--backend openvino: wanted the system's memory allocator, got LD_PRELOAD="):
        open_exported(model, backend="openvino")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-k", "openvino", __file__]
    done = subprocess.run(
        command, env={**os.environ, "LD_PRELOAD": ""}, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


@pytest.fixture(scope="module")
def lively(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose weights are so large that no two scores nearly tie; no process must register its backbone."""
    backbone = "model.backbone={name: mobilenet_v1, norm: batch, frozen_stages: 0}"
    config = load_config(tiny, [backbone, "model.box.score_thresh=0.1"])
    rng = np.random.default_rng(1)
    detector = build_detector(config.model, len(CATEGORY_IDS))
    for name, parameter in detector.parameters_dict().items():
        if name.startswith(("rpn.head", "box.head", "mask")) and name.endswith("weight"):
            values = rng.normal(size=parameter.shape) * np.sqrt(2 / np.prod(parameter.shape[1:]))
            parameter.set_data(Tensor(values.astype(np.float32)))
    path = tmp_path_factory.mktemp("lively") / "model.ckpt"
    info = CheckpointInfo(
        config_yaml=dump_config(config),
        classes=tuple(CATEGORY_IDS),
        category_ids=tuple(CATEGORY_IDS.values()),
        epoch=0,
        step=0,
    )
    save_checkpoint(path, network=detector, info=info)
    return path


@pytest.fixture(scope="module")
def model(lively: Path) -> Path:
    """The export of the checkpoint for any shape."""
    return exported(lively, lively.with_suffix(".onnx"), None, None)


@pytest.fixture(scope="module")
def fixed(lively: Path) -> Path:
    """The export of the checkpoint for batches of three."""
    return exported(lively, lively.with_name("fixed.onnx"), FIXED[1:], FIXED[0])


def exported(checkpoint: Path, out: Path, size: tuple[int, int] | None, batch: int | None) -> Path:
    assert export(checkpoint, [], file_format="ONNX", out=out, size=size, batch=batch) == 0
    return out


@pytest.fixture(scope="module")
def expected(lively: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The checkpoint's results on the validation split."""
    out = tmp_path_factory.mktemp("expected")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    assert evaluate_checkpoint(lively, ["device.mode=pynative", "eval.batch_size=4", "eval.pictures=0"], out) == 0
    entries: list[dict[str, Any]] = json.loads((out / "results.json").read_text())
    assert len(entries) > 10
    return entries


def check_entries(entries: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    for key in ("image_id", "category_id"):
        assert [one[key] for one in entries] == [one[key] for one in expected]
    for key, tolerance in (("bbox", 3e-3), ("score", 1e-5)):
        found, wanted = ([one[key] for one in both] for both in (entries, expected))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)
    same = [one["segmentation"] == other["segmentation"] for one, other in zip(entries, expected, strict=True)]
    assert np.mean(same) > 0.9  # a pixel at the threshold may differ


@pytest.mark.parametrize("backend", ["onnxruntime", OPENVINO])
def test_evaluation_gives_the_checkpoints_results(
    call: Call, model: Path, expected: list[dict[str, Any]], backend: str
) -> None:
    outcome = call(lambda: evaluate_checkpoint(model, ["eval.pictures=0"], Path("out"), runtime=Runtime(backend)))
    assert outcome.status == 0, outcome.stderr
    check_entries(json.loads(Path("out/results.json").read_text()), expected)
    assert "AP" in outcome.stdout


def test_a_file_of_fixed_shape_evaluates_the_same(call: Call, fixed: Path, expected: list[dict[str, Any]]) -> None:
    smaller = ["eval.pictures=0", "eval.batch_size=2"]
    outcome = call(lambda: evaluate_checkpoint(fixed, smaller, Path("out")))
    assert outcome.status == 0, outcome.stderr
    check_entries(json.loads(Path("out/results.json").read_text()), expected)


def test_python(model: Path, demo: Path) -> None:
    picture = demo / "val" / "000001.jpg"
    detector = mindrcnn.load(model)
    assert detector.classes == tuple(CATEGORY_IDS)
    assert detector.category_ids == tuple(CATEGORY_IDS.values())
    assert "ONNX Runtime, CPU" in repr(detector)
    found = detector.predict(picture)
    assert found.masks is not None
    assert len(found) > 2
    limit = float(np.median(found.scores))
    fewer = mindrcnn.load(model, score_thresh=limit, overrides={"eval.mask_thresh": 0.3}).predict(picture)
    assert len(fewer) == (found.scores > limit).sum()
    assert fewer.mask_thresh == 0.3


def infer_batches(file: Path, demo: Path, batch: int | None) -> int:
    images, out = [str(demo / "val")], Path("out")
    return infer(file, images, [], out=out, score_thresh=0.2, class_names=[], batch_size=batch)


def test_another_batch_for_a_file_of_fixed_batch(call: Call, fixed: Path, demo: Path) -> None:
    error = call(lambda: infer_batches(fixed, demo, 2)).error
    assert error == f"--batch: wanted 3, which {fixed} is fixed to, got 2\n"


@pytest.mark.parametrize("name", ["model", "fixed"])
def test_a_batch_gives_what_single_images_give(
    request: pytest.FixtureRequest, call: Call, demo: Path, model: Path, name: str
) -> None:
    file, found = request.getfixturevalue(name), []
    for of, batch in ((model, 1), (file, 3), (file, None)):
        outcome = call(lambda: infer_batches(of, demo, batch))  # noqa: B023
        assert outcome.status == 0, outcome.stderr
        images = json.loads(Path("out/predictions.json").read_text())["images"]
        found.append([(image["file"], one) for image in images for one in image["predictions"]])
    assert len(found[0]) > 4
    for other in found[1:]:
        for name_of in (lambda file, one: (file, one["class"]), lambda file, one: one["mask"]["size"]):
            assert [name_of(*one) for one in other] == [name_of(*one) for one in found[0]]
        for values_of, tolerance in ((lambda one: list(one["bbox"].values()), 3e-3), (lambda one: one["score"], 1e-5)):
            values, wanted = ([values_of(one) for _, one in both] for both in (other, found[0]))
            np.testing.assert_allclose(values, wanted, rtol=0, atol=tolerance)


def test_short_batches_are_not_filled_for_a_free_batch(model: Path, demo: Path) -> None:
    detector, counts = mindrcnn.load(model), []
    predict = detector._predict
    detector._predict = lambda images, sizes: counts.append(len(images)) or predict(images, sizes)  # type: ignore[func-returns-value]
    assert len(list(detector.predict_many(demo / "val", batch_size=3))) == 4
    assert counts == [3, 1]


def test_inference_warns_of_scores_that_the_file_does_not_have(call: Call, model: Path, demo: Path) -> None:
    sources = [str(demo / "val" / "000001.jpg")]
    outcome = call(lambda: infer(model, sources, [], out=Path("out"), score_thresh=0.05, class_names=["circle"]))
    assert outcome.status == 0, outcome.stderr
    assert f"{model} has no detections with scores below 0.1" in outcome.stderr
    assert len(json.loads(Path("out/predictions.json").read_text())["images"]) == 1


WITHOUT_MINDSPORE = """
import sys, time
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mindspore":
            raise ModuleNotFoundError(f"blocked: {name}")
sys.meta_path.insert(0, Blocked())
started = time.process_time()
import mindrcnn
mindrcnn.load
print("imported after", time.process_time() - started, "matplotlib" in sys.modules)
from mindrcnn.cli import main
sys.exit(main())
"""
MOST_CPU_SECONDS = 1.0  # of importing what loads a model


def without_mindspore(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), *sys.path])}
    command = [sys.executable, "-c", WITHOUT_MINDSPORE, *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_without_mindspore(model: Path, demo: Path, tmp_path: Path, expected: list[dict[str, Any]]) -> None:
    inferred = without_mindspore("infer", model, demo / "val" / "000001.jpg", "--score", 0.2, folder=tmp_path)
    assert inferred.returncode == 0, inferred.stderr
    seconds, heavy = inferred.stdout.split("imported after ")[1].split()[:2]
    assert float(seconds) < MOST_CPU_SECONDS
    assert heavy == "False"
    (image,) = json.loads((tmp_path / "inferred" / "predictions.json").read_text())["images"]
    assert image["predictions"]
    evaluated = without_mindspore("eval", model, "--out", "evaluated", "eval.pictures=0", folder=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    check_entries(json.loads((tmp_path / "evaluated" / "results.json").read_text()), expected)


SERVING = WITHOUT_MINDSPORE.replace("from mindrcnn.cli", "import mindrcnn.tasks.benchmark\nfrom mindrcnn.cli")


def test_serving_without_mindspore_until_it_is_told_to_stop(model: Path, demo: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the packages of requirements-dev.txt: uvicorn")
    pytest.importorskip("fastapi", reason="needs the packages of requirements-dev.txt: fastapi")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), *sys.path])}
    command = [sys.executable, "-c", SERVING, "serve", str(model), "--port", "0", "--score", "0.2"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        log = ""
        for line in process.stderr:
            log += line
            if "serving " in line:
                break
        try:
            address = re.search(r"serving .*model\.onnx at (http://127\.0\.0\.1:\d+)", log)
            assert address is not None, log
            body = (demo / "val" / "000001.jpg").read_bytes()
            with urllib.request.urlopen(f"{address[1]}/predict", body, timeout=60) as response:
                found = json.loads(response.read())
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.communicate(timeout=60)[1]
    assert process.returncode == 143, rest
    assert "Traceback" not in rest
    (wanted,) = mindrcnn.load(model).predict([demo / "val" / "000001.jpg"])
    assert found["predictions"] == wanted[wanted.scores >= 0.2].to_dict()["predictions"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "mindspore"}, r"--backend: wanted one of onnxruntime, openvino for .*model\.onnx, got mindspore"),
        ({"device": ("Ascend", 0)}, "device: wanted Ascend, which needs CANNExecutionProvider of ONNX Runtime; got "),
        pytest.param(
            {"backend": "openvino", "device": ("GPU", 3)},
            r"device: wanted GPU\.3, got those of OpenVINO: CPU",
            marks=OPENVINO.marks,
            id="openvino",
        ),
        ({"overrides": ["model.box.score_thresh=0.01"]}, r"model.box.score_thresh: wanted at least 0.1, .*got 0.01"),
        ({"overrides": ["model.rpn.min_size=3"]}, r"model: wanted the keys as they are in .*model\.onnx"),
        ({"overrides": ["eval.mask_tresh=3"]}, r"eval.mask_tresh"),
        (
            {"overrides": ["eval.tta=true"]},
            r"eval.tta: wanted false with .*model\.onnx, because suppression is part of",
        ),
        ({"overrides": ["eval.soft_nms=linear"]}, r"eval.soft_nms: wanted none with .*model\.onnx, .*got 'linear'"),
        ({"overrides": ["eval.agnostic_nms=true"]}, r"eval.agnostic_nms: wanted false with .*model\.onnx, .*got True"),
        (
            {"overrides": ["eval.precision=float16", "device.target=GPU"]},
            r"eval.precision: wanted float32, in which .*model\.onnx computes, got float16",
        ),
    ],
)
def test_settings_that_a_file_cannot_follow(model: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_exported(model, **settings)


def test_other_buckets_for_a_file_of_fixed_shape(fixed: Path) -> None:
    with pytest.raises(InputError, match=r"data.buckets: wanted \[\[64, 64\]\], which .*fixed\.onnx is fixed to"):
        open_exported(fixed, ["data.buckets=[[64, 96]]"])


def copying_model() -> onnx.ModelProto:
    """Returns a model that returns its images."""
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, ["b", 3, "h", "w"])
        for name in ("images", "copies")
    ]
    nodes = [onnx.helper.make_node("Identity", ["images"], ["copies"])]
    graph = onnx.helper.make_graph(nodes, "copying", ends[:1], ends[1:])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("backend", ["onnxruntime", OPENVINO])
def test_files_that_are_no_models(tmp_path: Path, backend: str) -> None:
    with pytest.raises(InputError, match=r"wanted an existing \.onnx file, got .*nowhere\.onnx"):
        open_exported(tmp_path / "nowhere.onnx", backend=backend)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(InputError, match=r"text\.onnx: wanted an ONNX model, got one that .* cannot load: "):
        open_exported(tmp_path / "text.onnx", backend=backend)
    plain = copying_model()
    for name, wanted in (({}, "got one without its card"), ({"mindrcnn": "{}"}, "another version of MindRCNN")):
        onnx.helper.set_model_props(plain, name)
        onnx.save(plain, tmp_path / "plain.onnx")
        with pytest.raises(InputError, match=wanted):
            open_exported(tmp_path / "plain.onnx", backend=backend)


def test_a_missing_package(model: Path, lively: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(runtime, "import_module", absent)
    with pytest.raises(InputError, match=r"wanted the package onnxruntime, got none: .*'mindrcnn\[onnx\]'"):
        open_exported(model)
    with pytest.raises(InputError, match=r"wanted the package openvino, got none: .*'mindrcnn\[openvino\]'"):
        open_exported(model, backend="openvino")
    with pytest.raises(InputError, match=r"wanted the package onnx, got none: .*'mindrcnn\[onnx\]'"):
        exported(lively, model.with_name("other.onnx"), None, None)


def test_a_backend_for_a_checkpoint(call: Call, lively: Path) -> None:
    with pytest.raises(InputError, match=r"--backend: wanted an exported model .* with it, got .*ckpt"):
        mindrcnn.load(lively, backend="openvino")
    outcome = call(lambda: evaluate_checkpoint(lively, [], None, runtime=Runtime("onnxruntime")))
    assert outcome.error.startswith("--backend: wanted an exported model")


def test_an_exported_model_is_evaluated_by_one_process(
    call: Call, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    for name in ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"):
        monkeypatch.setenv(name, "1")
    error = call(lambda: evaluate_checkpoint(model, [], Path("out"))).error
    assert error == "eval: wanted one process for an exported model, got 2\n"


def test_the_command_line_names_the_runtimes() -> None:
    assert command_line.BACKENDS == BACKENDS


def test_the_card(model: Path, fixed: Path, demo: Path) -> None:
    metadata = {one.key: one.value for one in onnx.load(model).metadata_props}
    found = card.read_card(metadata, model)
    assert found.classes == tuple(CATEGORY_IDS)
    assert (found.model, found.backbone, found.channel_order) == ("mask_rcnn", "mobilenet_v1", "rgb")
    assert (found.buckets, found.short_side, found.batch) == (((64, 64),), 64, None)
    assert (found.score_thresh, found.mask_thresh, found.version) == (0.1, 0.5, mindrcnn.__version__)
    assert card.read_card({card.KEY: found.to_json()}, model) == found
    metadata = {one.key: one.value for one in onnx.load(fixed).metadata_props}
    assert card.read_card(metadata, fixed).batch == 3


def test_the_card_of_a_fixed_file_has_the_bucket_before_padding() -> None:
    config = load_config(REPOSITORY / "configs/demo/mask_rcnn_mobilenet_v1.yaml", ["data.buckets=[[60,90]]"])
    made = card.make_card(config, classes=("a",), category_ids=(1,), batch=2)
    found = card.read_card({card.KEY: made.to_json()}, Path("fixed.onnx"))
    assert found.buckets == parse_config(found.config, "card").data.buckets == ((60, 90),)
    assert card.fixed_shape_of(found, Path("fixed.onnx")) == (2, 64, 96)


def count_up(images: np.ndarray, image_sizes: np.ndarray) -> tuple[np.ndarray, ...]:
    assert len(images) == 4
    scores = image_sizes / np.float32(10)
    return images, scores, image_sizes, scores > 0, images


@pytest.mark.parametrize("count", [1, 4, 6])
def test_batches_of_a_fixed_size(count: int) -> None:
    images = np.arange(count * 2, dtype=np.uint8).reshape(count, 2)
    outputs = FixedBatch(count_up, 4)(images, images)
    for output, wanted in zip(outputs, (images, images / 10, images, images > 0, images), strict=True):
        np.testing.assert_allclose(output, wanted, rtol=1e-6)


def test_a_higher_score_makes_slots_invalid() -> None:
    images = np.arange(8, dtype=np.uint8).reshape(4, 2)
    assert ScoreLimit(count_up, 0.35)(images, images)[3].sum() == 4
