"""`mindrcnn train --dry-run`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from mindrcnn.config.loader import parse_config
from mindrcnn.datasets.demo import CATEGORY_IDS
from mindrcnn.programs.train import parse_arguments, start

Call = Callable[[Callable[[], int]], Any]
FilesUnder = Callable[[Path], set[str]]


def test_it_reports_and_writes_nothing(call: Call, tiny: Path, stand_in: Any, files_under: FilesUnder) -> None:
    stand_in.actions[1] = lambda: 1 / 0  # no step runs
    arguments = parse_arguments([str(tiny), "data.keep_empty_images=true", "--dry-run"])
    outcome = call(lambda: start(arguments))
    assert outcome.status == 0, outcome.stderr
    assert files_under(Path()) == set()
    config = parse_config(outcome.stdout, "printed")
    assert (config.name, config.data.classes) == ("tiny", tuple(CATEGORY_IDS))
    for line in (
        f"12 images, 6 classes, from {Path(config.data.root).resolve()}\n",
        " parameters, of which ",
        "first batch: images (4, 3, 64, 64) uint8, image_sizes (4, 2) int32, gt_boxes (4, 8, 4) float32, ",
        "gt_masks (4, 8, 28, 28) uint8",
        "6 steps of 4 images, 3 steps an epoch",
        "learning rate: 3e-05 at step 1, ",
        "dry run: no step was run, and no run folder made",
    ):
        assert line in outcome.stderr
    found = re.search(r"memory, estimated: (\d\.\d) GB \((.*)\)\n", outcome.stderr)
    assert found is not None
    parts = {name: float(size) for name, size in (part.rsplit(" ", 1) for part in found[2].split(", P")[0].split(", "))}
    assert set(parts) == {"parameters", "gradients", "optimizer", "batch", "layers' outputs kept for the gradient"}
    assert abs(float(found[1]) - sum(parts.values()) - 1) < 0.1


def test_a_folder_gets_the_pictures_and_the_run_starts_there(
    call: Call, tiny: Path, stand_in: Any, files_under: FilesUnder
) -> None:
    words = [str(tiny), "data.keep_empty_images=true", "data.val.name=", "--run-dir", "run"]
    assert call(lambda: start(parse_arguments([*words, "--dry-run"]))).status == 0
    assert files_under(Path("run")) - {"run.lock"} == {"config.yaml", "first_batch.jpg", "learning_rate.png"}
    assert cv2.imread("run/learning_rate.png").shape == (400, 900, 3)
    assert call(lambda: start(parse_arguments([*words, "--resume"]))).status == 0
    assert Path("run/last.ckpt").is_file()
    resumed = call(lambda: start(parse_arguments([*words, "train.log_every=7", "--resume", "--dry-run"])))
    assert resumed.status == 0
    assert "resuming with other settings than before: train.log_every: 1 -> 7\n" in resumed.stderr
    assert "log_every: 1\n" in Path("run/config.yaml").read_text()
