"""The programs on converted data: what they do with the JSON files, from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mindrcnn.programs.mindrecord import main as convert
from mindrcnn.tasks.training import train

MADE = "data.{split}={{format: mindrecord, annotations: {folder}/{split}}}"


def rows(run: Path) -> list[dict[str, Any]]:
    """What metrics.jsonl says of losses and AP; times and memory differ."""
    table = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [{key: row.get(key) for key in ("kind", "step", "losses", "grad_norm", "lr", "metrics")} for row in table]


@pytest.mark.slow
def test_training_on_mindrecord_equals_training_on_json(
    program: Callable[..., Any], tiny: Path, demo: Path, tmp_path: Path, trained_by_train_py: Path
) -> None:
    for split in ("train", "val"):
        annotations = demo / "annotations" / f"instances_{split}.json"
        words = (annotations, "--images", demo / split, "--out", tmp_path / "converted" / split, "--shards", 2)
        assert convert([*map(str, words), "--workers", "0"]) == 0
    made = [MADE.format(split=split, folder=tmp_path / "converted") for split in ("train", "val")]
    outcome = program("train.py", tiny, "--run-dir", tmp_path / "run", "data.keep_empty_images=true", *made)
    assert outcome.status == 0, outcome.stderr
    folders = [parent / "run" for parent in (trained_by_train_py, tmp_path)]
    assert rows(folders[1]) == rows(folders[0])
    results = [json.loads((folder / "eval" / "results.json").read_text()) for folder in folders]
    assert results[0]
    assert results[0] == results[1]


def test_files_are_made_at_the_first_training(
    call: Callable[..., Any], tiny: Path, own_demo: Path, stand_in: Any, tmp_path: Path
) -> None:
    overrides = [f"data.root={own_demo}", "data.val={name: ''}", "data.keep_empty_images=true"]
    overrides.append(f"data.mindrecord_dir={tmp_path / 'records'}")
    first = call(lambda: train(tiny, overrides))
    assert first.status == 0, first.stderr
    assert "converting " in first.stderr
    assert "12 images in 1 MindRecord files" in first.stderr
    second = call(lambda: train(tiny, [*overrides, "data.train.limit=8"]))
    assert second.status == 0, second.stderr
    assert f"training reads the MindRecord files in {tmp_path / 'records' / 'train'}" in second.stderr
    assert "8 images, 6 classes" in second.stderr
    path = own_demo / "annotations" / "instances_train.json"
    path.write_text(path.read_text() + "\n")
    assert "data.mindrecord_dir: wanted a folder for " in call(lambda: train(tiny, overrides)).error
