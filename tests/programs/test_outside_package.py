"""A backbone, a mask branch and a data format of another package, through the programs and from Python."""

import json
import os
import subprocess
import sys
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
device: {{mode: pynative}}
"""

# One process runs all programs, each by its file, because MindSpore takes seconds to load.
PROGRAMS = """
import json, runpy, sys
from pathlib import Path

for program, *arguments in json.loads(sys.argv[1]):
    sys.argv = [program, *arguments]
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        assert end.code == 0, (program, end.code)

from mindrcnn.build.trained_model import open_checkpoint, restore_detector

checkpoint, config = open_checkpoint(Path("run/last.ckpt"), [])
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


@pytest.mark.slow
def test_train_evaluate_and_infer(environment: dict[str, str], tmp_path: Path, own_demo: Path, tiny: Path) -> None:
    classes = write_csv(own_demo, "train")
    write_csv(own_demo, "val")
    config = tmp_path / "outside.yaml"
    config.write_text(CHANGES.format(tiny=tiny, root=own_demo, classes=list(classes)))
    (image, *_) = sorted((own_demo / "val").glob("*.jpg"))
    programs = [
        [REPOSITORY / "train.py", config, "--run-dir", "run", "train.schedule.length=1"],
        [REPOSITORY / "eval.py", "run/last.ckpt"],
        [REPOSITORY / "infer.py", "run/last.ckpt", image, "--out", "found", "--score", "0"],
    ]
    command = [sys.executable, "-c", PROGRAMS, json.dumps(programs, default=str)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr

    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert ["loss_mask" in row["losses"] for row in rows if row["kind"] == "train"] == [True] * 3
    assert "segm" in done.stdout
    (found,) = json.loads((tmp_path / "found/predictions.json").read_text())["images"]
    assert found["file"] == str(image)
    assert done.stdout.endswith("tiny_parts.backbone tiny_parts.mask_head 8\n")


def test_the_doctor_and_the_conversion_take_a_registered_format(
    environment: dict[str, str], tmp_path: Path, own_demo: Path, tiny: Path
) -> None:
    classes = write_csv(own_demo, "train")
    config = tmp_path / "outside.yaml"
    config.write_text(CHANGES.format(tiny=tiny, root=own_demo, classes=list(classes)))
    convert = ["mindrecord", own_demo / "train.csv", "--images", own_demo / "train"]
    convert += ["--out", tmp_path / "converted", "--format", "csv", "--workers", "1", "--classes", *classes]
    for command, message in (
        (["doctor", config, "--workers", "2"], "12 images decoded"),
        (convert, "12 images"),
    ):
        line = [sys.executable, "-m", "mindrcnn", *map(str, command)]
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert message in done.stdout, done.stderr


def test_another_process_without_the_package_says_what_it_needs(untrained: Path, call: Any) -> None:
    from mindrcnn.tasks.evaluation import evaluate_checkpoint

    error = call(lambda: evaluate_checkpoint(untrained, ["model.backbone.name=tiny_net"], None)).error
    assert "model.backbone.name: wanted one of resnet50, resnet101, mobilenet_v1, few_layers, got 'tiny_net'" in error
    assert "MINDRCNN_EXTENSIONS" in error
