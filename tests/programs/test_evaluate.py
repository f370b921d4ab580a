"""Evaluation with stand-ins for the detector: its tables, and splits that number their categories otherwise."""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mindrcnn import predictor
from mindrcnn.data.formats.coco.reader import read_coco
from mindrcnn.data.record import Record
from mindrcnn.datasets.demo import CATEGORY_IDS
from mindrcnn.tasks.evaluation import evaluate_checkpoint, evaluate_results
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]

# Reversed order, with gaps, and none equal to the training data's id of that name.
OTHER_IDS = {name: 100 - 7 * number for name, number in CATEGORY_IDS.items()}
PYCOCOTOOLS = "eval.backend=pycocotools"


class NearTruth:
    """Predicts the objects of the demo's validation images, a little shifted and with full masks, best first."""

    def __init__(self, *, records: Sequence[Record], side: int) -> None:
        self.records = iter(records)
        self.side = side

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        slots = (len(images), 10)
        boxes, labels = np.zeros((*slots, 4), np.float32), np.zeros(slots, np.int32)
        for place, (size, record) in enumerate(zip(image_sizes, self.records, strict=False)):
            count = len(record.labels)
            scale = np.array([size[1] / record.width, size[0] / record.height] * 2)
            boxes[place, :count] = np.add(record.boxes, (0, 0, 1, 2)) * scale
            labels[place, :count] = record.labels
        scores = np.broadcast_to(np.linspace(0.9, 0.1, slots[1]).astype(np.float32), slots)
        return boxes, scores, labels, labels > 0, np.ones((*slots, self.side, self.side), np.float32), scores


def pycocotools_table(truth: Path, results: Path, iou_type: str) -> str:
    """The lines that pycocotools itself prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluator = COCOeval(coco, coco.loadRes(str(results)), iou_type)
        evaluator.evaluate()
        evaluator.accumulate()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        evaluator.summarize()
    return printed.getvalue()


def test_the_tables_are_pycocotools_own_and_saved_results_give_the_same(
    call: Call, untrained: Path, tiny: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = demo / "annotations/instances_val.json"
    records = read_coco(annotations=truth, images=demo / "val").records
    monkeypatch.setattr(predictor, "NumpyPredictor", lambda detector: NearTruth(records=records, side=14))
    first = call(lambda: evaluate_checkpoint(untrained, [], Path("out")))
    assert first.status == 0, first.stderr
    tables = [pycocotools_table(truth, Path("out/results.json"), iou_type) for iou_type in ("bbox", "segm")]
    for heading, table in zip(("boxes (bbox)", "masks (segm)"), tables, strict=True):
        assert table.count("\n") == 12
        assert table in first.stdout.split(heading)[1]
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics["bbox"]["AP"] > metrics["segm"]["AP"] > 0
    for overrides in ([], [PYCOCOTOOLS]):
        again = call(lambda: evaluate_results(Path("out/results.json"), tiny, overrides, Path("again")))  # noqa: B023
        assert again.status == 0, again.stderr
        assert again.stdout.replace("again", "out") == first.stdout
        assert Path("again/tables.txt").read_text() == first.stdout.removesuffix("\nwritten to out\n")
        for iou_type, stats in json.loads(Path("again/metrics.json").read_text()).items():
            assert stats["AP"] == pytest.approx(metrics[iou_type]["AP"], abs=1e-12)


def test_a_limit_takes_the_first_images_and_says_so(
    call: Call, untrained: Path, tiny: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = read_coco(annotations=demo / "annotations/instances_val.json", images=demo / "val").records
    monkeypatch.setattr(predictor, "NumpyPredictor", lambda detector: NearTruth(records=records, side=14))
    assert call(lambda: evaluate_checkpoint(untrained, [], Path("whole"))).status == 0
    Path("out").mkdir()
    Path("out/report.html").write_text("about other results")
    limited = call(lambda: evaluate_checkpoint(untrained, ["eval.limit=2"], Path("out")))
    assert limited.status == 0, limited.stderr
    assert "out/report.html is about an earlier evaluation: eval.report=true writes it again" in limited.stderr
    assert limited.stdout.startswith("boxes (bbox), first 2 of 4 images (eval.limit), ")
    assert "only the first 2 of 4 images (eval.limit)" in limited.stderr
    entries = json.loads(Path("out/results.json").read_text())
    assert {entry["image_id"] for entry in entries} == {record.image_id for record in records[:2]}
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert (metrics["segm"]["images"], metrics["segm"]["split_images"]) == (2, 4)
    assert metrics["bbox"]["AP"] != json.loads(Path("whole/metrics.json").read_text())["bbox"]["AP"]
    scored = call(lambda: evaluate_results(Path("whole/results.json"), tiny, ["eval.limit=2"], Path("again")))
    assert scored.stdout.replace("again", "out") == limited.stdout


def test_a_split_without_annotations_gets_results_alone(
    call: Call, untrained: Path, tiny: Path, own_demo: Path, every_class_once: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)
    content = json.loads((own_demo / "annotations/instances_val.json").read_text())
    del content["annotations"]
    (own_demo / "annotations/image_info_test.json").write_text(json.dumps(content))
    overrides = [f"data.root={own_demo}", "data.val.name=test", "data.val.images=val"]
    outcome = call(lambda: evaluate_checkpoint(untrained, overrides, Path("out")))
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == "nothing to score; written to out\n"
    assert "has no annotated objects, so nothing is scored" in outcome.stderr
    entries = json.loads(Path("out/results.json").read_text())
    assert {entry["image_id"] for entry in entries} == {image["id"] for image in content["images"]}
    assert sorted(path.name for path in Path("out").iterdir()) == ["pictures", "results.json"]
    message = call(lambda: train(tiny, overrides)).error
    assert "data.val: wanted a split with annotated objects, got none in " in message


def test_boxes_alone_train_and_score_a_mask_model(
    call: Call, tiny: Path, own_demo: Path, stand_in: Any, every_class_once: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)
    for path in (own_demo / "annotations").iterdir():
        content = json.loads(path.read_text())
        for annotation in content["annotations"]:
            del annotation["segmentation"]
        path.write_text(json.dumps(content))
    overrides = [f"data.root={own_demo}", "data.train.limit=8", "data.keep_empty_images=true"]
    assert "wanted a segmentation for every object" in call(lambda: train(tiny, overrides)).error
    outcome = call(lambda: train(tiny, [*overrides, "train.mask_branch=false"]))
    assert outcome.status == 0, outcome.stderr
    assert "8 images, 6 classes" in outcome.stderr
    assert set(json.loads(Path("runs/tiny/eval/metrics.json").read_text())) == {"bbox", "report"}


def test_predicted_mask_ious_are_compared_with_true_ones(
    call: Call, untrained: Path, tiny: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = read_coco(annotations=demo / "annotations/instances_val.json", images=demo / "val").records
    monkeypatch.setattr(predictor, "NumpyPredictor", lambda detector: NearTruth(records=records, side=14))
    assert call(lambda: evaluate_checkpoint(untrained, [], Path("plain"))).status == 0
    assert not list(Path("plain").glob("mask_calibration*"))
    entries = json.loads(Path("plain/results.json").read_text())
    for number, entry in enumerate(entries):
        entry["iou_score"] = 1 / (2 + number)
    Path("scored.json").write_text(json.dumps(entries))
    outcome = call(lambda: evaluate_results(Path("scored.json"), tiny, ["model.mask.type=ms_rcnn"], Path("out")))
    assert outcome.status == 0, outcome.stderr
    report = json.loads(Path("out/mask_calibration.json").read_text())
    plain, rescored = (json.loads(Path(folder, "metrics.json").read_text()) for folder in ("plain", "out"))
    assert report["detections"] == report["matched"] == len(entries)
    assert report["mask_ap_without_rescoring"]["AP"] == pytest.approx(plain["segm"]["AP"], abs=1e-12)
    assert report["mask_ap"]["AP"] == pytest.approx(rescored["segm"]["AP"], abs=1e-12) != plain["segm"]["AP"]
    assert rescored["bbox"] == plain["bbox"]
    assert Path("out/mask_calibration.png").read_bytes().startswith(b"\x89PNG")
    assert "mask IoU: " in outcome.stderr


def test_boundary_gives_a_third_table(
    call: Call, untrained: Path, tiny: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = read_coco(annotations=demo / "annotations/instances_val.json", images=demo / "val").records
    monkeypatch.setattr(predictor, "NumpyPredictor", lambda detector: NearTruth(records=records, side=14))
    outcome = call(lambda: evaluate_checkpoint(untrained, ["eval.boundary=true"], Path("out")))
    assert outcome.status == 0, outcome.stderr
    assert "mask boundaries (boundary)" in outcome.stdout
    assert "boundary AP50" in outcome.stdout
    metrics = json.loads(Path("out/metrics.json").read_text())
    assert metrics["segm"]["AP"] > metrics["boundary"]["AP"] > 0
    refused = call(lambda: evaluate_results(Path("out/results.json"), tiny, ["eval.boundary=true", PYCOCOTOOLS], None))
    assert "eval.backend: wanted faster_coco_eval with eval.boundary" in refused.error


@pytest.fixture
def renumbered(own_demo: Path) -> Path:
    """The validation split with other ids, its categories listed in another order."""
    file = own_demo / "annotations/instances_val.json"
    content = json.loads(file.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    for annotation in content["annotations"]:
        annotation["category_id"] = OTHER_IDS[names[annotation["category_id"]]]
    content["categories"] = [{"id": OTHER_IDS[name], "name": name} for name in sorted(OTHER_IDS)]
    file.write_text(json.dumps(content))
    return own_demo


def test_results_carry_the_ids_of_the_split_at_hand(
    call: Call, untrained: Path, renumbered: Path, every_class_once: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)
    outcome = call(lambda: evaluate_checkpoint(untrained, [f"data.root={renumbered}"], Path("out")))
    assert outcome.status == 0, outcome.stderr
    entries = json.loads(Path("out/results.json").read_text())
    expected = {(OTHER_IDS[name], round(number / 10, 6)) for name, number in CATEGORY_IDS.items()}
    assert {(entry["category_id"], entry["score"]) for entry in entries} == expected
    truth = json.loads((renumbered / "annotations/instances_val.json").read_text())
    objects = Counter(one["category_id"] for one in truth["annotations"] if not one["iscrowd"])
    per_class = json.loads(Path("out/metrics.json").read_text())["segm"]["per_class"]
    assert {one["name"]: one["category_id"] for one in per_class} == OTHER_IDS
    assert {one["category_id"]: one["objects"] for one in per_class if one["objects"]} == objects


def test_results_are_scored_over_the_classes_of_training(call: Call, tiny: Path, own_demo: Path) -> None:
    """Training refuses a validation split with objects of a class that it does not have; so does the evaluation."""
    file = own_demo / "annotations/instances_val.json"
    content = json.loads(file.read_text())
    content["categories"].append({"id": 99, "name": "unseen"})
    content["annotations"][0]["category_id"] = 99
    file.write_text(json.dumps(content))
    Path("none.json").write_text("[]")
    data = [f"data.root={own_demo}"]
    refused = call(lambda: evaluate_results(Path("none.json"), tiny, data, Path("out")))
    assert "has annotations of categories outside the class list: unseen" in refused.error
    (own_demo / "annotations/instances_train.json").unlink()
    outcome = call(lambda: evaluate_results(Path("none.json"), tiny, data, Path("out")))
    assert outcome.status == 0, outcome.stderr
    assert "unseen" in outcome.stdout


def test_a_split_without_one_of_the_classes_is_refused(call: Call, untrained: Path, renumbered: Path) -> None:
    file = renumbered / "annotations/instances_val.json"
    content = json.loads(file.read_text())
    for category in content["categories"]:
        category["name"] = category["name"].replace("ring", "wring")
    file.write_text(json.dumps(content))
    outcome = call(lambda: evaluate_checkpoint(untrained, [f"data.root={renumbered}"], Path("out")))
    assert "'ring' (nearest: wring" in outcome.error
    assert not Path("out").exists()
