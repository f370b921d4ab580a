"""Mask Scoring R-CNN through the programs: train, evaluate, infer, export."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindir_operators import require_adapted
from mindspore import Tensor, nn

from mindrcnn.build.device import exclusive_device
from mindrcnn.build.trained_model import open_checkpoint, restore_detector
from mindrcnn.predictor import NumpyPredictor
from mindrcnn.tasks.evaluation import evaluate_checkpoint
from mindrcnn.tasks.export import export
from mindrcnn.tasks.inference import infer
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
MASK_SCORING = """
base: {tiny}
device: {{mode: pynative}}  # compiling takes as long as a dozen steps
model:
  mask: {{type: ms_rcnn, iou_num_convs: 2, iou_channels: 8, iou_fc_channels: 16}}
"""


@pytest.mark.slow
def test_the_whole_chain(call: Call, tiny: Path, demo: Path) -> None:
    Path("ms.yaml").write_text(MASK_SCORING.format(tiny=tiny))
    trained = call(lambda: train(Path("ms.yaml"), ["train.schedule.length=1"], Path("run")))
    assert trained.status == 0, trained.stderr
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    losses = [row["losses"]["loss_mask_iou"] for row in rows if row["kind"] == "train"]
    assert len(losses) == 3
    assert 0 < min(losses) < max(losses) < 1
    report = json.loads(Path("run/eval/mask_calibration.json").read_text())
    entries = json.loads(Path("run/eval/results.json").read_text())
    assert report["detections"] == len(entries) > 0
    assert {"score", "iou_score"} < set(entries[0])
    metrics = json.loads(Path("run/eval/metrics.json").read_text())
    assert report["mask_ap"]["AP"] == metrics["segm"]["AP"]

    evaluated = call(lambda: evaluate_checkpoint(Path("run/last.ckpt"), [], Path("again")))
    assert evaluated.status == 0, evaluated.stderr
    assert json.loads(Path("again/mask_calibration.json").read_text()) == report

    found = call(lambda: infer(Path("run/last.ckpt"), [str(demo / "val")], [], out=Path("found"), score_thresh=0.0,
                               class_names=()))  # fmt: skip
    assert found.status == 0, found.stderr
    document = json.loads(Path("found/predictions.json").read_text())
    predictions = [prediction for image in document["images"] for prediction in image["predictions"]]
    assert predictions
    assert all({"score", "iou_score", "mask"} < set(prediction) for prediction in predictions)

    check_export(call, Path("run/last.ckpt"))


def check_export(call: Call, checkpoint: Path) -> None:
    """The exported file predicts as the checkpoint does."""
    target = Path("ms.mindir")
    exported = call(lambda: export(checkpoint, [], file_format="MINDIR", out=target, size=(64, 64), batch=1))
    assert exported.status == 0, exported.stderr
    require_adapted(target)
    images = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    sizes = np.array([[64, 64]], np.int32)
    outputs = nn.GraphCell(ms.load(str(target)))(Tensor(images), Tensor(sizes))
    with exclusive_device("graph"):
        expected = NumpyPredictor(detector=restore_detector(*open_checkpoint(checkpoint, [])))(images, sizes)
    assert expected[3].any()
    assert len(outputs) == len(expected) == 6
    for output, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(output.asnumpy(), wanted, rtol=0, atol=1e-5)
    assert not np.array_equal(expected[5], expected[1])
