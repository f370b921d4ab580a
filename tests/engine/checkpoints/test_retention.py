"""Retention of checkpoint files."""

from pathlib import Path

import pytest

from mindrcnn.engine.checkpoints.retention import KeptCheckpoints
from mindrcnn.engine.trainer import Progress

METRIC = "segm_AP"


def build(folder: Path, *, last: int = 0, best: int = 0) -> KeptCheckpoints:
    def write(path: Path, progress: Progress) -> None:
        path.write_text(f"step {progress.step}")

    return KeptCheckpoints(folder=folder, write=write, metric=METRIC, last=last, best=best)


def save(kept: KeptCheckpoints, step: int) -> None:
    last = kept.folder / "last.ckpt"
    last.unlink(missing_ok=True)  # as a rename over it: the other names keep the old contents
    last.write_text(f"step {step}")
    kept.keep_newest(Progress(step=step))


def evaluate(kept: KeptCheckpoints, step: int, value: float) -> None:
    kept.keep_best(Progress(step=step, metrics={METRIC: value, "bbox_AP": 0.9}))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_newest_stay_with_their_contents(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        save(build(tmp_path, last=2), step)  # a new object each time: only the files remember
    assert names(tmp_path) == ["last.ckpt", "step_00000010.ckpt", "step_00000015.ckpt"]
    assert (tmp_path / "step_00000010.ckpt").read_text() == "step 10"


def test_later_ones_of_a_training_that_went_back_are_dropped(tmp_path: Path) -> None:
    kept = build(tmp_path, last=2)
    for step in (10, 20, 15):
        save(kept, step)
    assert names(tmp_path) == ["last.ckpt", "step_00000010.ckpt", "step_00000015.ckpt"]


def test_best_stay_and_of_equal_ones_the_earlier(tmp_path: Path) -> None:
    for step, value in ((1, 0.2), (2, 0.4), (3, 0.1), (4, 0.3), (5, 0.3)):
        evaluate(build(tmp_path, best=2), step, value)
        assert len(names(tmp_path)) == min(step, 2)
    assert names(tmp_path) == ["best_0.3000_step_00000004.ckpt", "best_0.4000_step_00000002.ckpt"]
    assert (tmp_path / "best_0.3000_step_00000004.ckpt").read_text() == "step 4"


def test_a_repeated_evaluation_changes_nothing(tmp_path: Path) -> None:
    kept = build(tmp_path, best=3)
    for _ in range(2):
        evaluate(kept, 7, -1.0)
    assert names(tmp_path) == ["best_-1.0000_step_00000007.ckpt"]


@pytest.mark.parametrize("step", [1, 2])
def test_none_are_kept_unless_asked_for(tmp_path: Path, step: int) -> None:
    kept = build(tmp_path)
    save(kept, step)
    evaluate(kept, step, 0.5)
    assert names(tmp_path) == ["last.ckpt"]
