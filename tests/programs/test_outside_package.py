"""A backbone, a mask branch and a data format of another package, through the programs and from Python."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
OUTSIDE = REPOSITORY / "tests/outside_package"

CHANGES = """
base: {tiny}
name: outside
model:
  backbone: {{name: tiny_net, width: 8}}
  mask: {{type: plain_mask, side: 7}}
data:
  root: {root}
  train: {{name: "", format: csv, annotations: train.csv, images: train}}
  val: {{name: "", format: csv, annotations: val.csv, images: val}}
  classes: {classes}
device: {{mode: graph}}
"""

FROM_PYTHON = """
import sys
from mindrcnn.build.trained_model import open_checkpoint, restore_detector
from pathlib import Path

checkpoint, config = open_checkpoint(Path(sys.argv[1]), [])
detector = restore_detector(checkpoint, config)
print(type(detector.backbone).__module__, type(detector.mask).__module__, config.model.backbone.width)
"""


def write_csv(root: Path, split: str) -> tuple[str, ...]:
    """Writes the demo's annotations as CSV, the outer polygon of each object; returns the classes."""
    content = json.loads((root / f"annotations/instances_{split}.json").read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    classes = {category["id"]: category["name"] for category in content["categories"]}
    rows = ["image,class,polygon"]
    for entry in content["annotations"]:
        if isinstance(entry["segmentation"], list):
            polygon = " ".join(map(str, entry["segmentation"][0]))
            rows.append(f"{names[entry['image_id']]},{classes[entry['category_id']]},{polygon}")
    (root / f"{split}.csv").write_text("\n".join(rows) + "\n")
    return tuple(classes.values())


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of an installed package: its module and its entry point on Python's path."""
    metadata = tmp_path / "site" / "tiny_parts-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-parts\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[mindrcnn.extensions]\ntiny_parts = tiny_parts\n")
    places = (REPOSITORY / "src", OUTSIDE, metadata.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}


@pytest.fixture
def run(tmp_path: Path, environment: dict[str, str]) -> Callable[..., str]:
    """Runs Python with these arguments to its end, and returns its standard output."""

    def run_python(*arguments: object) -> str:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_python


@pytest.mark.slow
def test_train_evaluate_and_infer(run: Callable[..., str], tmp_path: Path, own_demo: Path, tiny: Path) -> None:
    classes = write_csv(own_demo, "train")
    write_csv(own_demo, "val")
    config = tmp_path / "outside.yaml"
    config.write_text(CHANGES.format(tiny=tiny, root=own_demo, classes=list(classes)))

    report = run("-m", "mindrcnn.doctor", config)
    assert "12 images decoded" in report, report

    run(REPOSITORY / "train.py", config, "--run-dir", "run", "train.schedule.length=1")
    checkpoint = tmp_path / "run/last.ckpt"
    losses = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert all("loss_mask" in row for row in losses if row["kind"] == "train")

    assert "segm" in run(REPOSITORY / "eval.py", checkpoint)
    (image, *_) = sorted((own_demo / "val").glob("*.jpg"))
    run(REPOSITORY / "infer.py", checkpoint, image, "--out", "found", "--score-thresh", "0")
    (found,) = json.loads((tmp_path / "found/predictions.json").read_text())["images"]
    assert found["objects"]

    (tmp_path / "from_python.py").write_text(FROM_PYTHON)
    assert run("from_python.py", checkpoint) == "tiny_parts.backbone tiny_parts.mask_head 8\n"


def test_another_process_without_the_package_says_what_it_needs(untrained: Path, call: Any) -> None:
    from mindrcnn.tasks.evaluation import evaluate_checkpoint

    error = call(lambda: evaluate_checkpoint(untrained, ["model.backbone.name=tiny_net"], None)).error
    assert "model.backbone.name: wanted one of resnet50, resnet101, mobilenet_v1, got 'tiny_net'" in error
    assert "MINDRCNN_EXTENSIONS" in error
