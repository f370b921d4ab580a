"""What several tests of the report use."""

import json
from pathlib import Path

import pytest

from mindrcnn.evaluation.coco.ground_truth import load_ground_truth


@pytest.fixture(scope="session")
def oracle(shared_data: Path):
    """The ground truth of pycocotools' example, and its results by kind."""
    folder = shared_data / "coco_oracle"
    truth = load_ground_truth(folder / "instances_val2014_100.json")
    return truth, {
        kind: json.loads((folder / f"instances_val2014_fake{kind}100_results.json").read_text())
        for kind in ("bbox", "segm")
    }
