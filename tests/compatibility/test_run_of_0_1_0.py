"""A run folder that version 0.1.0 wrote: its checkpoints evaluate and resume as they did then.

The folder is a real run of 6 steps on the demonstration data (12 images of 64 pixels), with a backbone of two values a
layer, frozen, so that its checkpoints pack into half a megabyte.
"""

import json
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.datasets.demo import make_demo
from mindrcnn.tasks.evaluation import evaluate_checkpoint
from mindrcnn.tasks.training import train

WRITTEN = Path(__file__).with_name("run_of_0.1.0")
STEPS = 6
SAVED = 3  # the step of previous.ckpt


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run folder, unpacked, beside the data that its configuration names."""
    monkeypatch.chdir(tmp_path)
    make_demo(Path("demo_data"), train_images=12, val_images=4, size=64)
    folder = Path(shutil.copytree(WRITTEN, tmp_path / "runs" / "tiny"))
    for packed in folder.glob("*.xz"):
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
    return folder


def results(path: Path) -> list[dict]:
    return sorted(json.loads(path.read_text()), key=lambda entry: (entry["image_id"], -entry["score"]))


def losses(path: Path) -> dict[int, dict[str, float]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["step"]: row["losses"] for row in rows if row["kind"] == "train"}


def test_the_checkpoint_gives_the_same_detections(run: Path) -> None:
    wanted = results(run / "eval" / "results.json")
    assert evaluate_checkpoint(run / "last.ckpt", (), run / "again") == 0
    got = results(run / "again" / "results.json")
    assert len(got) == len(wanted) > 20
    np.testing.assert_allclose([one["score"] for one in got], [one["score"] for one in wanted], rtol=0.02)
    for key in ("image_id", "category_id"):
        assert [one[key] for one in got] == [one[key] for one in wanted]
    np.testing.assert_allclose([one["bbox"] for one in got], [one["bbox"] for one in wanted], atol=0.05)


def test_the_run_resumes_with_the_same_losses(run: Path) -> None:
    wanted = losses(run / "metrics.jsonl")
    assert sorted(wanted) == list(range(1, STEPS + 1))
    (run / "last.ckpt").unlink()  # saved after the last step: nothing would be left to do
    assert train(run / "config.yaml", (), run, resume=True) == 0
    got = losses(run / "metrics.jsonl")
    assert sorted(got) == sorted(wanted)
    assert got[SAVED] == wanted[SAVED]
    for step in range(SAVED + 1, STEPS + 1):
        assert got[step] == pytest.approx(wanted[step], rel=1e-3)
    assert (run / "last.ckpt").is_file()
