"""Bad input gets one message on stderr and exit status 2, before a model is built or anything is written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mindrcnn.build import initial_weights
from mindrcnn.config.loader import load_config
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.errors import InputError
from mindrcnn.tasks.evaluation import evaluate_checkpoint, evaluate_results
from mindrcnn.tasks.inference import infer
from mindrcnn.tasks.preparation import build_evaluator
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
Program = Callable[..., Any]

ANNOTATIONS = "annotations/instances_train.json"


@pytest.fixture
def refused(call: Call, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The message with which train.py refuses overrides; fails if it gets as far as building a detector."""

    def build(*arguments: Any) -> None:
        raise AssertionError("the detector was built")

    def message(*overrides: str, config: Path = tiny) -> str:
        outcome = call(lambda: train(config, overrides))
        assert not list(Path().iterdir())
        return outcome.error

    monkeypatch.setattr(initial_weights, "build_detector", build)
    return message


def edit(root: Path, change: Callable[[dict[str, Any]], object], file: str = ANNOTATIONS) -> None:
    """Changes an annotation file in place."""
    content = json.loads((root / file).read_text())
    change(content)
    (root / file).write_text(json.dumps(content))


def test_a_missing_configuration_file(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "nowhere.yaml" in refused(config=tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("train.batchsize=2", ("command line", "unknown key train.batchsize", "train.batch_size")),
        ("train.batch_size=two", ("command line", "train.batch_size", "'two'")),
        ("train.batch_size", ("command line", "train.batch_size")),
    ],
)
def test_a_wrong_override(refused: Callable[..., str], override: str, parts: tuple[str, ...]) -> None:
    message = refused(override)
    assert [part for part in parts if part not in message] == []


def test_a_missing_data_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    message = refused(f"data.root={tmp_path / 'nowhere'}")
    assert f"{tmp_path / 'nowhere'}: wanted the folder of the data set, got nothing" in message


def test_an_empty_data_folder(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'}: wanted" in (message := refused(f"data.root={tmp_path / 'empty'}"))
    assert "got an empty folder" in message


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_absent_image(refused: Callable[..., str], own_demo: Path, split: str) -> None:
    (own_demo / split / "000002.jpg").unlink()
    message = refused(f"data.root={own_demo}")
    assert f"instances_{split}.json" in message
    assert f"{split}/000002.jpg" in message


def test_an_unknown_category(refused: Callable[..., str], own_demo: Path) -> None:
    edit(own_demo, lambda content: content["annotations"][3].update(category_id=77))
    message = refused(f"data.root={own_demo}")
    assert "instances_train.json: annotation id 4: category_id 77" in message


def test_duplicate_ids(refused: Callable[..., str], own_demo: Path) -> None:
    edit(own_demo, lambda content: content["images"][1].update(id=1))
    message = refused(f"data.root={own_demo}")
    assert "instances_train.json: wanted every image id once, got image id 1 2 times" in message


def test_a_txt_row_with_too_few_numbers(refused: Callable[..., str], own_demo: Path) -> None:
    (own_demo / "list.txt").write_text("train/000001.jpg 1,2,30,40,cat\ntrain/000002.jpg 1,2,30,cat\n")
    message = refused(
        f"data.root={own_demo}",
        "model.mask=null",
        "data.train={format: txt, annotations: list.txt, images: .}",
        "data.classes=[cat]",
    )
    assert "list.txt, line 2: '1,2,30,cat': wanted five values" in message


def test_a_class_list_that_does_not_match(refused: Callable[..., str]) -> None:
    message = refused("data.classes=[circle, sqare]")
    assert "'sqare' (nearest: square" in message


def test_a_batch_larger_than_the_data_set(refused: Callable[..., str]) -> None:
    message = refused("train.batch_size=13", "data.keep_empty_images=true")
    assert "train.batch_size: wanted at most the 12 usable training images, got 13" in message


@pytest.mark.parametrize("split", ["train", "val"])
def test_objects_without_masks_for_a_mask_model(refused: Callable[..., str], own_demo: Path, split: str) -> None:
    def remove_masks(content: dict[str, Any]) -> None:
        for annotation in content["annotations"]:
            del annotation["segmentation"]

    edit(own_demo, remove_masks, f"annotations/instances_{split}.json")
    message = refused(f"data.root={own_demo}")
    assert f"instances_{split}.json: wanted a segmentation for every object" in message


def test_a_mask_without_area_in_the_validation_split(
    tiny: Path, own_demo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Evaluation drops the object as training would, and says so before training and not after its first epoch."""
    file = "annotations/instances_val.json"
    edit(own_demo, lambda content: content["annotations"][0].update(segmentation=[[1, 1, 9, 9]], iscrowd=0), file)
    evaluator = build_evaluator(load_config(tiny, [f"data.root={own_demo}"]), Ranks())
    assert f"{file}: 1 objects have only polygons of fewer than 3 corners and are dropped (first: 1)" in caplog.text
    assert evaluator is not None
    objects = json.loads((own_demo / file).read_text())["annotations"]
    assert len(evaluator.truth.annotations) == len(objects) - 1


def test_a_run_folder_that_is_in_use(call: Call, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "last.ckpt").write_text("precious")
    outcome = call(lambda: train(tiny, [], tmp_path / "used"))
    assert "--run-dir: wanted a new or empty folder" in outcome.error
    assert (tmp_path / "used" / "last.ckpt").read_text() == "precious"


def test_a_device_that_is_not_there(call: Call, tiny: Path) -> None:
    outcome = call(lambda: train(tiny, ["device.target=Ascend"]))
    assert "device: wanted an available MindSpore device, got Ascend 0" in outcome.error
    assert not Path("runs").exists()


def test_a_server_that_refuses_leaves_no_run_folder(call: Call, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise InputError("train.log_to: mlflow: no server")

    monkeypatch.setattr("mindrcnn.engine.tracking.sinks.require_mlflow", refuse)
    monkeypatch.setattr("mindrcnn.tasks.training.require_sinks", lambda names: None)
    outcome = call(lambda: train(tiny, ["train.log_to=[mlflow]"]))
    assert "train.log_to: mlflow: no server" in outcome.error
    assert not Path("runs").exists()


# ------------------------------------------------------------------------------------------------- eval.py and infer.py


def test_evaluation_reads_the_data_before_it_builds_the_model(
    call: Call, untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindrcnn.build.trained_model.build_detector", None)
    outcome = call(lambda: evaluate_checkpoint(untrained, [f"data.root={tmp_path / 'nowhere'}"], None))
    assert "nowhere: wanted the folder of the data set" in outcome.error
    assert not (untrained.parent / "eval").exists()


def test_results_that_are_not_the_splits(call: Call, tiny: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text('[{"image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]')
    outcome = call(lambda: evaluate_results(results, tiny, [], None))
    assert "results.json: entry 0, image_id: wanted an image of the ground truth, got 99" in outcome.error
    assert not (tmp_path / "metrics.json").exists()


def test_results_of_masks_are_not_scored_as_boxes(call: Call, tiny: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(
        '[{"image_id": 1, "category_id": 1, "segmentation": {"size": [65, 73], "counts": "Yd4"}, "score": 1}]'
    )
    outcome = call(lambda: evaluate_results(results, tiny, ["model.mask=null"], None))
    wanted = (
        "results.json: entry 0: wanted a bbox, because boxes alone are evaluated: the configuration has no model.mask"
    )
    assert wanted in outcome.error
    assert not (tmp_path / "metrics.json").exists()


def test_results_without_masks_name_their_file(call: Call, tiny: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text('[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]')
    outcome = call(lambda: evaluate_results(results, tiny, [], None))
    assert "results.json: entry 0: wanted a segmentation, because masks are evaluated, got only" in outcome.error
    results.write_text("[]")
    (tmp_path / "metrics.json").write_text("my notes")
    outcome = call(lambda: evaluate_results(results, tiny, [], None))
    assert "metrics.json: would be replaced" in outcome.error
    assert (tmp_path / "metrics.json").read_text() == "my notes"


def test_inference_on_nothing(call: Call, untrained: Path, tmp_path: Path) -> None:
    source = str(tmp_path / "*.jpg")
    outcome = call(lambda: infer(untrained, [source], [], out=tmp_path / "out", score_thresh=0.5, class_names=[]))
    assert f"{source}: wanted images" in outcome.error
    assert not (tmp_path / "out").exists()


def test_inference_of_a_class_that_the_model_does_not_know(call: Call, untrained: Path, demo: Path) -> None:
    out = Path("out")
    outcome = call(
        lambda: infer(untrained, [str(demo / "val")], [], out=out, score_thresh=0.5, class_names=["triangel"])
    )
    assert "nearest: triangle" in outcome.error
    assert not out.exists()


def test_inference_never_draws_over_its_input(call: Call, untrained: Path, own_demo: Path) -> None:
    folder = own_demo / "val"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    outcome = call(lambda: infer(untrained, [str(folder)], [], out=folder, score_thresh=0.5, class_names=[]))
    assert "000001.jpg: wanted an output that is not an input too" in outcome.error
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


# ---------------------------------------------------------------------------------------------------------- checkpoints


def test_a_truncated_checkpoint(call: Call, untrained: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(untrained.read_bytes()[:-1000])
    assert f"{cut}: the checkpoint is truncated" in call(lambda: evaluate_checkpoint(cut, [], None)).error


def test_a_missing_checkpoint(call: Call, tmp_path: Path) -> None:
    missing = tmp_path / "missing.ckpt"
    assert str(missing) in call(lambda: evaluate_checkpoint(missing, [], None)).error


def test_a_checkpoint_of_another_model(call: Call, untrained: Path, tiny: Path) -> None:
    outcome = call(lambda: train(tiny, [f"train.init_checkpoint={untrained}", "model.mask.num_convs=0"]))
    assert "mask.head" in outcome.error
    assert "unexpected" in outcome.error
    assert not Path("runs").exists()


def test_a_checkpoint_that_lacks_the_mask_branch(call: Call, untrained: Path) -> None:
    outcome = call(lambda: evaluate_checkpoint(untrained, ["model.mask.num_convs=2"], None))
    assert "missing from the checkpoint" in outcome.error
    assert str(untrained) in outcome.error


# ------------------------------------------------------------------------------------------------- as a user meets them


@pytest.mark.parametrize("name", ["train.py", "eval.py", "infer.py", "export.py"])
def test_an_unknown_option_and_help(program: Program, name: str) -> None:
    outcome = program(name, "a", "b", "--no-such-option")
    assert outcome.status == 2
    assert "--no-such-option" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    helped = program(name, "--help")
    assert helped.status == 0
    assert "a.b=c" in helped.stdout


def test_train_py_ends_with_one_message(program: Program, tmp_path: Path, tiny: Path, demo: Path) -> None:
    shutil.copytree(demo, tmp_path / "copy")
    (tmp_path / "copy" / ANNOTATIONS).write_text("{")
    outcome = program("train.py", tiny, "--run-dir", "run", f"data.root={tmp_path / 'copy'}")
    assert "instances_train.json: wanted a COCO annotation file, got one that is not JSON" in outcome.error
    assert outcome.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
