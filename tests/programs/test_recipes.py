"""The keys under `train` as a run shows them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindrcnn import predictor
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint
from mindrcnn.tasks.training import train

Call = Callable[[Callable[[], int]], Any]
RUN = Path("runs/tiny")
COMMON = ["data.keep_empty_images=true"]
NO_VALIDATION = "data.val.name="
STEPS_PER_EPOCH = 3  # 12 images, 4 a batch
EVERYTHING = [
    "train.accumulate=3",
    "train.optimizer={type: adamw, weight_decay: 0.05, clip_norm: 5.0, groups: [{match: backbone., lr_factor: 0.1}]}",
    "train.schedule.base_lr=1e-3",
    "train.ema.decay=0.9",
    "train.loss_scale={type: dynamic, initial: 1024, window: 1}",
]


def checkpoints(folder: Path = RUN) -> set[str]:
    return {path.name for path in folder.glob("*.ckpt")}


def test_a_step_takes_several_batches(call: Call, tiny: Path, stand_in: Any) -> None:
    outcome = call(lambda: train(tiny, [*COMMON, NO_VALIDATION, "train.accumulate=2"]))
    assert outcome.status == 0
    assert "2 steps of 8 images, 1 steps an epoch" in outcome.stderr  # 3 batches make one step, one is left over
    info = load_checkpoint(RUN / "last.ckpt").info
    assert (info.epoch, info.step, info.steps_per_epoch) == (2, 2, 1)
    refused = call(lambda: train(tiny, [*COMMON, NO_VALIDATION, "train.accumulate=3"], resume=True)).error
    assert "train.accumulate: wanted 2, as the run began, got 3" in refused


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.accumulate=4", "train.accumulate: wanted at most the 3 batches of an epoch, got 4"),
        ("train.optimizer.groups=[{match: heads}]", "no trained parameter has a name that starts with 'heads'"),
        ("train.optimizer.groups=[{lr_factor: 2}]", "train.optimizer.groups: wanted a name prefix in match"),
        ("train.optimizer={type: lion}", "train.optimizer.type: wanted one of sgd, adamw, adam, got 'lion'"),
        ("train.loss_scale={scale: 8}", "train.loss_scale.type: wanted one of static, dynamic, got no such key"),
    ],
)
def test_what_cannot_be_is_refused(call: Call, tiny: Path, override: str, message: str) -> None:
    assert message in call(lambda: train(tiny, [*COMMON, NO_VALIDATION, override])).error
    assert checkpoints() == set()


def test_patience_ends_a_run_and_the_asked_for_checkpoints_stay(
    call: Call, tiny: Path, stand_in: Any, every_class_once: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)  # its evaluations are all alike
    overrides = [*COMMON, "train.schedule.length=9", "train.patience=2", "train.keep_last=2", "train.keep_best=2"]
    outcome = call(lambda: train(tiny, overrides))
    assert outcome.status == 0
    assert "ended early: 2 evaluations without a better segm_AP" in outcome.stderr
    value = load_checkpoint(RUN / "best.ckpt").info.metrics["segm_AP"]
    assert checkpoints() == {
        "last.ckpt", "previous.ckpt", "best.ckpt", "step_00000006.ckpt", "step_00000009.ckpt",
        f"best_{value:.4f}_step_00000003.ckpt", f"best_{value:.4f}_step_00000006.ckpt",
    }  # fmt: skip
    assert load_checkpoint(RUN / "step_00000006.ckpt").info.step == 6
    assert load_checkpoint(RUN / "best.ckpt").info.step == 3
    before = (RUN / "last.ckpt").stat().st_mtime_ns
    assert "ended early: 2 evaluations" in call(lambda: train(tiny, overrides, resume=True)).stderr
    assert (RUN / "last.ckpt").stat().st_mtime_ns == before


def test_a_loss_scale_and_an_average_are_in_the_checkpoint(call: Call, tiny: Path, stand_in: Any) -> None:
    assert call(lambda: train(tiny, [*COMMON, NO_VALIDATION, *EVERYTHING])).status == 0
    checkpoint = load_checkpoint(RUN / "last.ckpt")
    assert checkpoint.info.loss_scale["scale"] == 1024
    assert checkpoint.trained.keys() == checkpoint.parameters.keys()
    assert {"updates", "global_step", "moment1.box.head.fc1.weight"} <= checkpoint.optimizer.keys()


def differences(ours: Checkpoint, theirs: Checkpoint) -> list[str]:
    found = [] if ours.info == theirs.info else ["info"]
    for part in ("parameters", "trained", "optimizer"):
        left, right = getattr(ours, part), getattr(theirs, part)
        assert left.keys() == right.keys()
        found += [name for name in left if not np.array_equal(left[name].asnumpy(), right[name].asnumpy())]
    return found


def test_a_resumed_run_knows_the_evaluation_after_its_checkpoint(
    call: Call, tiny: Path, stand_in: Any, every_class_once: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)
    assert call(lambda: train(tiny, COMMON)).status == 0
    wanted = load_checkpoint(RUN / "last.ckpt").info
    assert wanted.metrics
    (RUN / "last.ckpt").unlink()  # previous.ckpt is of the first epoch's end, before its evaluation
    assert "resumed after step 3 of 6" in call(lambda: train(tiny, COMMON, resume=True)).stderr
    assert load_checkpoint(RUN / "last.ckpt").info == wanted


@pytest.mark.slow
def test_two_runs_and_a_resumed_one_are_bit_equal(
    call: Call, tiny: Path, every_class_once: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all recipes on. The third run continues from the checkpoint after the first of two epochs."""
    monkeypatch.setattr(predictor, "NumpyPredictor", every_class_once)
    overrides = [*COMMON, *EVERYTHING]
    for name in ("first", "second"):
        assert call(lambda name=name: train(tiny, overrides, Path(name))).status == 0
    shutil.copytree("first", "third")
    for name in ("last.ckpt", "best.ckpt"):
        Path("third", name).unlink()
    outcome = call(lambda: train(tiny, overrides, Path("third"), resume=True))
    assert "resumed after step 1 of 2" in outcome.stderr
    wanted = load_checkpoint(Path("first/last.ckpt"))
    assert wanted.info.loss_scale["scale"] == 4096
    assert wanted.info.metrics
    for name in ("second", "third"):
        assert differences(load_checkpoint(Path(name, "last.ckpt")), wanted) == [], name
