"""Folders in object storage, with a stand-in for ModelArts' moxing."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mindrcnn.config.loader import load_config
from mindrcnn.tasks import modelarts
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
NO_VALIDATION = "data.val={name: ''}"


@pytest.fixture
def bucket(tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is obs://bucket, with the demo data, and the list of what moxing was asked to copy."""
    folder = tmp_path / "bucket"
    shutil.copytree(demo, folder / "demo")

    def local(place: str) -> Path:
        return folder / place.removeprefix("obs://bucket/") if place.startswith("obs://") else Path(place)

    def copy_parallel(source: str, target: str) -> None:
        shutil.copytree(local(source), local(target), dirs_exist_ok=True)

    files = SimpleNamespace(copy_parallel=copy_parallel, is_directory=lambda place: local(place).is_dir())
    monkeypatch.setitem(sys.modules, "moxing", SimpleNamespace(file=files))
    monkeypatch.setattr(modelarts, "LOCAL", tmp_path / "cache")
    return folder


def test_data_comes_from_the_bucket_and_the_run_goes_there(call: Call, tiny: Path, stand_in: Any, bucket: Path) -> None:
    overrides = ["data.root=obs://bucket/demo", NO_VALIDATION, "data.keep_empty_images=true"]
    run_dir = Path("obs://bucket/out/run")
    outcome = call(lambda: train(tiny, overrides, run_dir))
    assert outcome.status == 0, outcome.stderr
    assert {"last.ckpt", "config.yaml", "train.log"} <= {path.name for path in (bucket / "out" / "run").iterdir()}
    assert load_config(bucket / "out" / "run" / "config.yaml").data.root == "obs://bucket/demo"
    assert f"copying obs://bucket/demo to {bucket.parent}/cache/data/" in outcome.stderr
    shutil.rmtree(bucket.parent / "cache" / "runs")  # as a new machine has it
    again = call(lambda: train(tiny, [*overrides, "train.schedule.length=3"], run_dir, resume=True))
    assert again.status == 0, again.stderr
    assert "resumed after step 6 of 9" in again.stderr
    assert "copying obs://bucket/demo" not in again.stderr


def test_without_moxing_one_message(call: Call, tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "moxing", None)
    monkeypatch.setattr(modelarts, "LOCAL", tmp_path / "cache")
    message = call(lambda: train(tiny, ["data.root=obs://bucket/demo"])).error
    assert message == (
        "obs://: wanted ModelArts' package moxing, which its images have, to copy folders; it is not installed\n"
    )
