"""Tables and metrics.json."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.report import (
    is_tables,
    metrics_document,
    per_class_text,
    summary_text,
    write_metrics,
    write_tables,
)
from mindrcnn.evaluation.paste import encode_bitmap


@pytest.fixture
def evaluations():
    mask = [[0, 0, 100, 0, 100, 100, 0, 100]]
    truth = {
        "images": [{"id": 4, "height": 400, "width": 600}],
        "categories": [{"id": 3, "name": "ψάρι"}, {"id": 8, "name": "a long name"}],
        "annotations": [{"image_id": 4, "category_id": 3, "bbox": [0, 0, 100, 100], "segmentation": mask}],
    }
    result = {"image_id": 4, "category_id": 3, "bbox": [10, 0, 100, 100], "score": 0.5}
    bitmap = np.zeros((400, 600), bool)
    bitmap[:100, :100] = True
    result["segmentation"] = encode_bitmap(bitmap)
    return [evaluate(truth, [result], iou_type=iou_type) for iou_type in ("bbox", "segm")]


def test_summary_has_both_tables_under_headings(evaluations):
    lines = summary_text(evaluations).splitlines()
    assert lines[0] == "boxes (bbox), 1 images, 1 objects"
    assert lines[1] == " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.700"
    assert lines[14] == "masks (segm), 1 images, 1 objects"
    assert lines[15].endswith("= 1.000")
    assert len(lines) == 13 + 1 + 13


def test_per_class_table(evaluations):
    header, rule, first, second = per_class_text(evaluations).splitlines()
    assert header.split() == ["class", "box", "AP", "box", "AP50", "mask", "AP", "mask", "AP50", "objects"]
    assert set(rule) == {"-"}
    assert first.split() == ["ψάρι", "70.0", "100.0", "100.0", "100.0", "1"]
    assert second.split() == ["a", "long", "name", "-", "-", "-", "-", "0"]
    assert len({len(line) for line in (header, rule, first, second)}) == 1


def test_tables_in_a_file_are_known_again(tmp_path, evaluations):
    path = tmp_path / "tables.txt"
    write_tables(path, evaluations)
    assert path.read_text() == f"{summary_text(evaluations)}\n\n{per_class_text(evaluations)}\n"
    assert is_tables(path)
    write_tables(path, [replace(metrics, split_images=50) for metrics in evaluations])
    assert path.read_text().startswith("boxes (bbox), first 1 of 50 images (eval.limit), 1 objects\n")
    assert is_tables(path)
    path.write_text("boxes of mine\n")
    assert not is_tables(path)


def test_metrics_json(tmp_path, evaluations):
    path = tmp_path / "metrics.json"
    write_metrics(path, evaluations, extra={"checkpoint": "best.ckpt"})
    document = json.loads(path.read_text())
    assert document == {"checkpoint": "best.ckpt", **metrics_document(evaluations)}
    assert document["bbox"]["AP"] == pytest.approx(0.7)
    assert document["segm"]["AP"] == pytest.approx(1)
    assert document["bbox"]["APs"] == -1
    assert document["bbox"]["per_class"][0] == {
        "name": "ψάρι",
        "category_id": 3,
        "ap": pytest.approx(0.7),
        "ap50": 1.0,
        "objects": 1,
    }
