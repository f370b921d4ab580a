"""Federated evaluation against lvis-api: its stored numbers, and the package itself where it is installed."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pycocotools import mask as mask_api

from mindrcnn.data.federation import Federation
from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.ground_truth import load_ground_truth
from mindrcnn.evaluation.coco.results import write_results
from mindrcnn.tasks.report_writing import ReportOptions, Results, make_report, split_of

FREQUENCIES = dict(enumerate("rrcccfff", start=1))
HEIGHT, WIDTH = 200, 240

# Printed by lvis 0.5.3 (LVISEval on the content and results made here; test_lvis_itself repeats it).
STORED = {
    "bbox": {
        "AP": 0.104835315422,
        "AP50": 0.169966838268,
        "AP75": 0.118148150473,
        "APs": 0.0414653465347,
        "APm": 0.126375844456,
        "APl": 0.506237623762,
        "APr": 0.195323728774,
        "APc": 0.105851184162,
        "APf": 0.0434938377806,
        "AR300": 0.457779150835,
        "ARs": 0.13,
        "ARm": 0.477725032321,
        "ARl": 0.54,
    },
    "segm": {
        "AP": 0.104000808605,
        "AP50": 0.169966838268,
        "AP75": 0.118475837924,
        "APs": 0.0427557755776,
        "APm": 0.125398373602,
        "APl": 0.506237623762,
        "APr": 0.192849778324,
        "APc": 0.10613615988,
        "APf": 0.0426328108504,
        "AR300": 0.457933949597,
        "ARs": 0.123333333333,
        "ARm": 0.480043363499,
        "ARl": 0.54,
    },
}


def square(x: float, y: float, width: float, height: float) -> list[list[float]]:
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def rle(x: float, y: float, width: float, height: float) -> dict:
    (encoded,) = mask_api.frPyObjects(square(x, y, width, height), HEIGHT, WIDTH)
    return {"size": encoded["size"], "counts": encoded["counts"].decode()}


def make_content(seed: int = 0) -> dict:
    """Twelve images; each has objects of some classes, some known absent, and some not annotated in full."""
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for image_id in range(1, 13):
        classes = rng.permutation(8)[:6] + 1
        present, absent, incomplete = classes[:3], classes[3:5], [*classes[2:3], *classes[5:]]
        images.append(
            {
                "id": image_id,
                "height": HEIGHT,
                "width": WIDTH,
                "neg_category_ids": absent.tolist(),
                "not_exhaustive_category_ids": [int(one) for one in incomplete] if image_id % 2 else [],
            }
        )
        for category_id in present.tolist():
            for _ in range(int(rng.integers(1, 5))):
                width, height = np.round(rng.uniform(8, 110, 2), 2).tolist()
                x, y = round(rng.uniform(0, WIDTH - width), 2), round(rng.uniform(0, HEIGHT - height), 2)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "category_id": category_id,
                        "bbox": [x, y, width, height],
                        "segmentation": square(x, y, width, height),
                        "area": round(width * height, 2),
                    }
                )
    categories = [
        {"id": category_id, "name": f"class {category_id}", "frequency": frequency}
        for category_id, frequency in FREQUENCIES.items()
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def make_results(content: dict, seed: int = 1) -> list[dict]:
    """Moved objects and false positives, in one image more than 300; few scores are equal."""
    rng = np.random.default_rng(seed)
    boxes = []
    for one in content["annotations"]:
        for _ in range(int(rng.integers(0, 3))):
            box = np.array(one["bbox"]) + rng.normal(0, 4, 4)
            boxes.append((one["image_id"], one["category_id"], box))
    for image_id in range(1, 13):
        for _ in range(330 if image_id == 3 else 25):
            width, height = rng.uniform(8, 110, 2)
            box = np.array([rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height), width, height])
            boxes.append((image_id, int(rng.integers(1, 9)), box))
    results = []
    for image_id, category_id, (x, y, width, height) in boxes:
        x, y = max(round(x, 2), 0), max(round(y, 2), 0)
        width, height = round(min(width, WIDTH - x), 2), round(min(height, HEIGHT - y), 2)
        score = round(float(rng.uniform()), 4)
        box = [x, y, width, height]
        result = {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}
        results.append(result | {"segmentation": rle(*box)})
    return results


def federation_of(content: dict) -> Federation:
    return Federation(
        absent={one["id"]: tuple(one["neg_category_ids"]) for one in content["images"]},
        incomplete={one["id"]: tuple(one["not_exhaustive_category_ids"]) for one in content["images"]},
        frequency={one["id"]: one["frequency"] for one in content["categories"]},
    )


def ours(iou_type: str, backend: str = "faster_coco_eval"):
    content = make_content()
    truth = load_ground_truth(content)
    return evaluate(truth, make_results(content), iou_type=iou_type, backend=backend, federation=federation_of(content))


@pytest.mark.parametrize("backend", ["faster_coco_eval", "pycocotools"])
@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_the_numbers_are_those_of_lvis(iou_type, backend):
    assert ours(iou_type, backend).stats == pytest.approx(STORED[iou_type], abs=1e-9)


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_lvis_itself(iou_type, tmp_path, monkeypatch, capsys):
    lvis = pytest.importorskip("lvis")
    monkeypatch.setattr(np, "float", float, raising=False)  # which lvis 0.5.3 uses
    content = make_content()
    path = tmp_path / "lvis_v1_val.json"
    path.write_text(json.dumps(content))
    results = make_results(content)
    if iou_type == "segm":  # with a box, lvis-api would take its area for that of the mask
        results = [{key: value for key, value in one.items() if key != "bbox"} for one in results]
    evaluator = lvis.LVISEval(lvis.LVIS(str(path)), lvis.LVISResults(lvis.LVIS(str(path)), results), iou_type)
    evaluator.run()
    capsys.readouterr()
    evaluator.print_results()
    metrics = ours(iou_type)
    names = {name: name.replace("@300", "300" if name.startswith("AR@") else "") for name in evaluator.results}
    theirs = {names[name]: value for name, value in evaluator.results.items()}
    assert metrics.stats == pytest.approx(theirs, abs=1e-9)
    printed = capsys.readouterr().out
    for area in ("small", "medium", "large"):  # of which lvis-api prints the first letter
        printed = printed.replace(f"area={area[0]:>6s}", f"area={area:>6s}")
    assert printed == metrics.table + "\n"


def test_the_report_has_the_same_numbers(tmp_path):
    content = make_content()
    truth = load_ground_truth(content)
    dataset = SimpleNamespace(records=[], category_ids=truth.category_ids, federation=federation_of(content))
    config = SimpleNamespace(eval=SimpleNamespace(max_detections=100))
    evaluator = SimpleNamespace(truth=truth, dataset=dataset, iou_types=("bbox", "segm"), config=config)
    write_results(tmp_path / "results.json", make_results(content))
    results = [Results(name="run", file=tmp_path / "results.json")]
    split = replace(split_of(evaluator), read_image=lambda image: np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    make_report(split, results, tmp_path, ReportOptions(resamples=2))
    document = json.loads((tmp_path / "report.json").read_text())
    for kind, stored in STORED.items():
        tables = document["kinds"][kind]["tables"]
        assert tables["max_detections"] == 300
        for name in ("AP", "AP50", "AP75", "APs", "APm", "APl", "ARs", "ARm", "ARl"):
            assert tables["metrics"][name]["value"] == pytest.approx(stored[name], abs=1e-9)
        assert tables["metrics"]["AR"]["value"] == pytest.approx(stored["AR300"], abs=1e-9)


def one_object(*found: tuple[int, float], absent: tuple[int, ...] = (), incomplete: tuple[int, ...] = ()) -> float:
    """Returns AP over the classes 1 and 2 of an image with an object of class 1; detections of it are (class, x)."""
    content = {
        "images": [{"id": 1, "height": 50, "width": 50}],
        "categories": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]}],
    }
    results = [
        {"image_id": 1, "category_id": label, "bbox": [x, 0, 10, 10], "score": 0.9 - 0.1 * number}
        for number, (label, x) in enumerate(found)
    ]
    federation = Federation(absent={1: absent}, incomplete={1: incomplete}, frequency={1: "r", 2: "f"})
    metrics = evaluate(content, results, iou_type="bbox", federation=federation)
    assert metrics.stats["APr"] == metrics.stats["AP"]
    assert metrics.stats["APf"] == -1
    return metrics.stats["AP"]


def test_false_positives_count_where_a_class_was_searched_for():
    assert one_object((1, 0)) == pytest.approx(1)
    assert one_object((1, 30), (1, 0)) == pytest.approx(0.5)
    assert one_object((1, 30), (1, 0), incomplete=(1,)) == pytest.approx(1)
    assert one_object((2, 0), (1, 0)) == pytest.approx(1)
    assert one_object((2, 0), (1, 0), absent=(2,)) == pytest.approx(1)  # another class's


def test_the_table_names_300_detections_and_the_groups():
    table = ours("bbox").table.splitlines()
    assert len(table) == 13
    assert all("maxDets=300" in line for line in table)
    assert [line.split("catIds=")[1].split("]")[0].strip() for line in table[6:9]] == ["r", "c", "f"]
