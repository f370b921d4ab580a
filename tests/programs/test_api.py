"""The Python API on a tiny checkpoint, and what it leaves behind in a process."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest

import mindrcnn
from mindrcnn import predictor
from mindrcnn.build.data import build_dataset
from mindrcnn.data.image_io import read_image
from mindrcnn.datasets.demo import CATEGORY_IDS
from mindrcnn.errors import InputError
from mindrcnn.tasks.inference import infer
from mindrcnn.tasks.split_evaluator import SplitEvaluator

Call = Callable[[Callable[[], int]], Any]
FEW = {"data.keep_empty_images": True}
NO_VALIDATION = FEW | {"data.val.name": ""}


@pytest.fixture(scope="module")
def detector(untrained: Path) -> mindrcnn.Detector:
    return mindrcnn.load(untrained)


@pytest.fixture
def pictures(demo: Path) -> list[Path]:
    return sorted((demo / "val").iterdir())


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "notebook"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def surroundings() -> dict[str, Any]:
    """What a call must leave as it was."""
    package = logging.getLogger("mindrcnn")
    return {
        "mode": ms.get_context("mode"),
        "numpy": np.random.get_state()[1].tolist(),
        "handlers": list(package.handlers),
        "level": package.level,
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "keeper": "interrupt-keeper" in [thread.name for thread in threading.enumerate()],
    }


@pytest.fixture(autouse=True)
def surroundings_stay(request: pytest.FixtureRequest) -> Iterator[None]:
    before = surroundings()
    yield
    assert "call" in request.fixturenames or surroundings() == before  # a program may change them


def same(ours: mindrcnn.Detections, theirs: mindrcnn.Detections) -> bool:
    names = ("boxes", "scores", "labels", "box_masks")
    return all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in names)


# -------------------------------------------------------------------------------------------------------------- import


def test_import_is_light_and_lists_its_names() -> None:
    code = "import sys, mindrcnn; print('mindspore' in sys.modules, 'cv2' in sys.modules, *dir(mindrcnn))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert printed[:2] == ["False", "False"]
    assert set(mindrcnn.__all__) <= set(printed[2:])


def test_every_public_name_resolves() -> None:
    assert [name for name in mindrcnn.__all__ if getattr(mindrcnn, name) is None] == []
    assert mindrcnn.InputError is InputError
    with pytest.raises(AttributeError, match="lode"):
        mindrcnn.lode  # noqa: B018


def test_types_resolve_under_mypy_strict(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    user = tmp_path / "user.py"
    user.write_text(
        "import mindrcnn\n"
        "detector = mindrcnn.load('a.ckpt', device='cpu', overrides={'eval.batch_size': 2})\n"
        "reveal_type(detector)\n"
        "reveal_type(detector.predict('a.jpg'))\n"
        "reveal_type(detector.predict(['a.jpg', 'b.jpg']))\n"
        "reveal_type(mindrcnn.train('a.yaml').best)\n"
        "reveal_type(mindrcnn.evaluate('a.ckpt'))\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path), user]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=root)
    revealed = [line.split('"')[1] for line in done.stdout.splitlines() if "Revealed type" in line]
    assert [name.replace("builtins.", "") for name in revealed] == [
        "mindrcnn.image_detector.Detector",
        "mindrcnn.detections.Detections",
        "list[mindrcnn.detections.Detections]",
        "pathlib.Path | None",
        "dict[str, float]",
    ], done.stdout
    assert done.returncode == 0, done.stdout


# ------------------------------------------------------------------------------------------------------------- predict


def test_predictions_are_those_of_an_inference_run(
    call: Call, detector: mindrcnn.Detector, untrained: Path, pictures: list[Path]
) -> None:
    names = [str(path) for path in pictures]
    outcome = call(lambda: infer(untrained, names, [], out=Path("out"), score_thresh=0.0, class_names=[]))
    assert outcome.status == 0, outcome.stderr
    written = json.loads(Path("out/predictions.json").read_text())["images"]
    assert [len(image["predictions"]) > 0 for image in written] == [True] * len(pictures)
    assert [detector.predict(path).to_dict() for path in pictures] == written
    assert [found.to_dict() for found in detector.predict_many(pictures)] == written
    drawn = detector.predict(pictures[0]).draw("again.jpg")
    assert Path("again.jpg").read_bytes() == Path("out", f"{pictures[0].stem}.jpg").read_bytes()
    assert drawn.shape == read_image(pictures[0]).shape


def test_a_list_gives_what_each_image_gives(detector: mindrcnn.Detector, pictures: list[Path]) -> None:
    arrays = [read_image(path) for path in pictures[:3]]
    for together, alone in zip(detector.predict(arrays), map(detector.predict, arrays), strict=True):
        assert len(together) == len(alone)
        np.testing.assert_allclose(together.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(together.scores, alone.scores, atol=1e-5)


def test_threads_get_what_one_after_the_other_gets(detector: mindrcnn.Detector, pictures: list[Path]) -> None:
    wanted = [detector.predict(path) for path in pictures]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(detector.predict, pictures * 3))
    assert [same(*pair) for pair in zip(found, wanted * 3, strict=True)] == [True] * 12


def test_two_models_with_different_configurations(
    detector: mindrcnn.Detector, untrained: Path, pictures: list[Path]
) -> None:
    wanted = detector.predict(pictures[0])
    scores = np.sort(wanted.scores)
    other = mindrcnn.load(
        untrained,
        score_thresh=float(scores[len(scores) // 2]),
        overrides={"device.mode": "pynative", "model.box.detections_per_image": 3},
    )
    assert other.config.model.box.score_thresh == pytest.approx(float(scores[len(scores) // 2]))
    fewer = other.predict(pictures[0])
    assert 0 < len(fewer) <= 3
    np.testing.assert_allclose(fewer.boxes, wanted.boxes[: len(fewer)], atol=1e-2)
    assert same(detector.predict(pictures[0]), wanted)


def test_the_detector_says_what_it_is(detector: mindrcnn.Detector) -> None:
    assert detector.classes == detector.class_names == tuple(CATEGORY_IDS)
    assert repr(detector).startswith("<Detector of boxes and masks: few_layers, 6 classes (")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "TPU"}, "device: wanted CPU, GPU or Ascend, .*got 'TPU'"),
        ({"device": "GPU:one"}, "device: wanted CPU, GPU or Ascend, .*got 'GPU:one'"),
        ({"score_thresh": 2}, "model.box.score_thresh: wanted number .*got 2"),
        ({"score_thresh": 2, "overrides": ["eval.batch_size=2"]}, "model.box.score_thresh: wanted number .*got 2"),
        ({"overrides": {"train.batch_size": "4"}}, "overrides: train.batch_size: wanted whole number.*got '4'"),
        ({"overrides": {"train.batchsize": 4}}, "overrides: unknown key train.batchsize.*train.batch_size"),
        ({"overrides": {"data": {"classes": {1}}}}, "overrides: data.classes: wanted .*got set"),
        ({"overrides": {"a..b": 1}}, "wanted a dotted key .*got 'a..b'"),
        ({"overrides": "eval.batch_size=2"}, "overrides: wanted a mapping or a list"),
        ({"overrides": {"model.mask.num_convs": 2}}, "do not fit this model"),
    ],
)
def test_wrong_arguments_are_refused(untrained: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mindrcnn.load(untrained, **arguments)


@pytest.mark.parametrize("given", ["missing.ckpt", 3, None])
def test_what_is_no_checkpoint_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="checkpoint: wanted"):
        mindrcnn.load(given)


def test_overrides_keep_their_types(untrained: Path) -> None:
    overrides = {
        "data": {"short_side": np.int64(48), "root": Path("elsewhere")},
        "data.buckets": [(64, 64)],
        "eval.mask_thresh": np.float32(0.25),
        "eval.boundary": False,
        "name": "123",
        "model.backbone.weights": "",
    }
    config = mindrcnn.load(str(untrained), overrides=overrides, device="cpu:0").config
    assert (config.data.short_side, config.data.root, config.data.buckets) == (48, "elsewhere", ((64, 64),))
    assert (config.eval.mask_thresh, config.eval.boundary, config.name) == (0.25, False, "123")


@pytest.mark.usefixtures("python_interrupts")
def test_ctrl_c_during_a_prediction_is_a_keyboard_interrupt(detector: mindrcnn.Detector, pictures: list[Path]) -> None:
    """MindSpore has put its own handler in place by then, which would end the process."""

    def interrupt() -> None:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        while True:
            detector.predict(pictures[0])
    thread.join()
    assert len(detector.predict(pictures[0])) > 0


# --------------------------------------------------------------------------------------------------- train and evaluate


def test_train_load_evaluate(
    tiny: Path, empty_folder: Path, pictures: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    own = logging.NullHandler()
    logging.getLogger("mindrcnn").addHandler(own)
    run = mindrcnn.train(tiny, FEW | {"train.schedule.length": 1, "eval.pictures": 0})
    assert own in logging.getLogger("mindrcnn").handlers
    logging.getLogger("mindrcnn").removeHandler(own)
    assert run.folder == Path("runs/tiny")
    assert run.best == run.folder / "best.ckpt"
    assert run.last == run.folder / "last.ckpt"
    assert set(run.metrics) == {f"{kind}_{name}" for kind in ("bbox", "segm") for name in ("AP", "AP50", "AP75")}
    assert "done: " in (run.folder / "train.log").read_text()
    assert isinstance(mindrcnn.load(run.best).predict(pictures[0]), mindrcnn.Detections)
    metrics = mindrcnn.evaluate(run.best, out="evaluated", overrides=["eval.pictures=0"])
    assert len(metrics) == 24
    assert {name: metrics[name] for name in run.metrics} == pytest.approx(dict(run.metrics), abs=1e-6)
    assert json.loads(Path("evaluated/metrics.json").read_text())["bbox"]["AP"] == metrics["bbox_AP"]


def test_train_again_and_after_an_error(tiny: Path, empty_folder: Path, stand_in: Any) -> None:
    with pytest.raises(InputError, match=r"train\.batch_size: wanted at most the 12"):
        mindrcnn.train(tiny, NO_VALIDATION | {"train.batch_size": 13})

    def fail() -> None:
        raise RuntimeError("out of memory")

    stand_in.actions = {2: fail}
    with pytest.raises(RuntimeError, match="out of memory"):
        mindrcnn.train(tiny, NO_VALIDATION)
    stand_in.actions = {}
    runs = [mindrcnn.train(str(tiny), NO_VALIDATION, run_dir=name) for name in ("first", "second")]
    assert [run.folder for run in runs] == [empty_folder / "first", empty_folder / "second"]
    assert [(run.best, dict(run.metrics)) for run in runs] == [(None, {})] * 2
    logs = [(run.folder / "train.log").read_text() for run in runs]
    assert [log.count("run folder") for log in logs] == [1, 1]
    assert len(logs[0].splitlines()) == len(logs[1].splitlines())


def test_ctrl_c_during_training_and_resume(tiny: Path, empty_folder: Path, stand_in: Any) -> None:
    stand_in.actions = {2: lambda: os.kill(os.getpid(), signal.SIGINT)}
    with pytest.raises(KeyboardInterrupt):
        mindrcnn.train(tiny, NO_VALIDATION)
    stand_in.actions = {}
    assert Path("runs/tiny/last.ckpt").is_file()
    run = mindrcnn.train(tiny, NO_VALIDATION, resume=True)
    assert "resumed after step 2 of 6" in (run.folder / "train.log").read_text()
    assert run.folder.name == "tiny"


def test_training_in_another_thread(tiny: Path, empty_folder: Path, stand_in: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(mindrcnn.train, tiny, NO_VALIDATION).result()
    assert run.last is not None
    assert run.last.is_file()


def test_the_host_works_while_the_device_computes_the_next_batch(
    detector: mindrcnn.Detector, demo: Path, tmp_path: Path, every_class_once: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Result entries of batch 1 wait until batch 2 is being computed, and batch 2 waits until they are finished."""
    computing, finished = threading.Event(), threading.Event()
    calls: list[int] = []

    class Waiting(every_class_once):  # type: ignore[misc]
        def __call__(self, *batch: Any) -> Any:
            calls.append(len(calls))
            if len(calls) == 2:
                computing.set()
                assert finished.wait(timeout=20), "batch 1 was not finished while batch 2 was computed"
            return super().__call__(*batch)

    plain = SplitEvaluator.finish

    def finish(self: SplitEvaluator, found: mindrcnn.Detections, folder: Path) -> list[dict[str, Any]]:
        assert computing.wait(timeout=20), "batch 2 was not computed while batch 1 was finished"
        entries = plain(self, found, folder)
        finished.set()
        return entries

    monkeypatch.setattr(predictor, "NumpyPredictor", Waiting)
    monkeypatch.setattr(SplitEvaluator, "finish", finish)
    config = detector.config
    dataset = build_dataset(config.data, config.data.val, "data.val")
    waiting = predictor.network_detector(
        network=None,  # type: ignore[arg-type]
        config=config,
        classes=dataset.classes,
        category_ids=dataset.category_ids,
    )
    SplitEvaluator(config=config, dataset=dataset).run(waiting, tmp_path)
    assert calls == [0, 1]
