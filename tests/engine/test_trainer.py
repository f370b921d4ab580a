"""The loop: what runs when, non-finite losses, signals."""

import ctypes
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.engine.checkpoints.checkpoint import load_checkpoint
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.early_stop import EarlyStop
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.signals import StopSignals, preserve_interrupts
from mindrcnn.engine.tracking.metrics_log import read_rows
from mindrcnn.engine.tracking.recorder import Recorder
from mindrcnn.engine.tracking.scores import Scores
from mindrcnn.engine.trainer import Progress, Steps, Trainer, Validation
from mindrcnn.errors import InputError

LOSSES = ("box", "mask")
ENDINGS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]  # of a run; a program's statuses follow

pytestmark = pytest.mark.usefixtures("quick_curves")


class CountingLoader:
    """Batches of two images with ids 100 * epoch + position."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Any]:
        for step in range(start_step, self.steps):
            yield SimpleNamespace(image_ids=(100 * epoch + 2 * step, 100 * epoch + 2 * step + 1))


class Harness:
    """A trainer whose collaborators write down what happened."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        *,
        aps: tuple[float, ...] = (),
        bad: dict[int, Any] | None = None,
        progress: Progress | None = None,
        best: float = -math.inf,
        ranks: Ranks | None = None,
        early_stop: EarlyStop | None = None,
    ):
        self.events: list[str] = []
        self.kept: list[tuple[int, float]] = []
        self.aps = iter(aps)
        self.bad = bad or {}
        recorder = Recorder(
            folder=folder,
            loss_names=LOSSES,
            learning_rates=np.ones(plan.total_steps, np.float32),
            steps_per_epoch=plan.steps_per_epoch,
            log_every=100,
        )
        validation = Validation(
            evaluate=lambda epoch: self.evaluate(epoch),
            metric="bbox_AP",
            best=best,
            early_stop=early_stop or EarlyStop(patience=0),
        )
        self.loader = CountingLoader(plan.steps_per_epoch)
        self.trainer = Trainer(
            steps=Steps(
                step=lambda *batch: self.step(*batch),
                loader=self.loader,
                feed=lambda batch, step: (batch, step),
                loss_names=LOSSES,
            ),
            plan=plan,
            recorder=recorder,
            checkpoints=self,
            validation=validation if aps else None,
            progress=progress,
            ranks=ranks,
        )

    def step(self, batch: Any, step: int) -> tuple[tuple[Tensor, ...], Tensor]:
        self.events.append(f"step {step}")
        box, mask, norm = self.bad.get(step, (1.0, 2.0, 3.0))
        return (Tensor(np.float32(box)), Tensor(np.float32(mask))), Tensor(np.float32(norm))

    def save(self, name: str, progress: Progress) -> None:
        self.events.append(f"{name} {progress.epoch} {progress.step} {dict(progress.metrics)}")

    def record_evaluation(self, progress: Progress) -> None:
        self.kept.append((progress.step, progress.metrics["bbox_AP"]))

    def evaluate(self, epoch: int) -> Scores:
        self.events.append(f"eval {epoch}")
        return Scores({"bbox_AP": next(self.aps)})


def plan(total_steps: int, *, steps_per_epoch: int = 2, eval_every: float = 1, save_every: float = 1) -> Plan:
    return Plan(total_steps=total_steps, steps_per_epoch=steps_per_epoch, eval_every=eval_every, save_every=save_every)


def test_last_every_epoch_best_only_when_better(tmp_path: Path) -> None:
    harness = Harness(tmp_path, plan(6), aps=(0.3, 0.2, 0.4))
    final = harness.trainer.run()
    assert harness.events == [
        "step 0", "step 1", "last 1 2 {}", "eval 1", "best 1 2 {'bbox_AP': 0.3}",
        "step 2", "step 3", "last 2 4 {'bbox_AP': 0.3}", "eval 2",
        "step 4", "step 5", "last 3 6 {'bbox_AP': 0.2}", "eval 3", "best 3 6 {'bbox_AP': 0.4}",
    ]  # fmt: skip
    assert final == Progress(3, 6, {"bbox_AP": 0.4})
    rows = read_rows(tmp_path / "metrics.jsonl")
    assert [(row["kind"], row["step"]) for row in rows] == [
        ("train", 1), ("eval", 2), ("eval", 4), ("train", 6), ("eval", 6)
    ]  # fmt: skip
    assert (tmp_path / "curves.png").is_file()
    assert harness.kept == [(2, 0.3), (4, 0.2), (6, 0.4)]


def test_what_comes_before_a_save(tmp_path: Path) -> None:
    harness = Harness(tmp_path, plan(4, eval_every=2), aps=(0.3,))
    harness.trainer.before_save = lambda: harness.events.append("before")
    harness.trainer.run()
    assert harness.events == [
        "step 0", "step 1", "before", "last 1 2 {}",
        "step 2", "step 3", "before", "last 2 4 {}", "eval 2", "best 2 4 {'bbox_AP': 0.3}",
    ]  # fmt: skip


@pytest.mark.parametrize("resumed", [False, True])
def test_ends_when_evaluations_get_no_better(tmp_path: Path, resumed: bool) -> None:
    progress, stop = (Progress(2, 4, {"bbox_AP": 0.2}), 1) if resumed else (None, 0)
    aps = (0.3,) if resumed else (0.3, 0.2, 0.3)
    if resumed:
        (tmp_path / "metrics.jsonl").write_text('{"kind": "eval", "step": 4, "epoch": 2, "metrics": {}}\n')
    early_stop = EarlyStop(patience=2, stale=stop)
    harness = Harness(tmp_path, plan(100), aps=aps, progress=progress, best=0.3 if resumed else -math.inf,
                      early_stop=early_stop)  # fmt: skip
    final = harness.trainer.run()
    assert (final.step, harness.events[-2:]) == (6, ["last 3 6 {'bbox_AP': 0.2}", "eval 3"])
    again = Harness(tmp_path, plan(100), aps=(0.9,), progress=final, best=0.3, early_stop=early_stop)
    again.trainer.run()
    assert again.events == []


def test_a_resumed_training_does_what_was_left_and_nothing_twice(tmp_path: Path) -> None:
    harness = Harness(tmp_path, plan(6), aps=(0.2, 0.4), progress=Progress(1, 3, {"bbox_AP": 0.3}), best=0.3)
    assert harness.trainer.run() == Progress(3, 6, {"bbox_AP": 0.4})
    assert harness.events == [
        "step 3", "last 2 4 {'bbox_AP': 0.3}", "eval 2",
        "step 4", "step 5", "last 3 6 {'bbox_AP': 0.2}", "eval 3", "best 3 6 {'bbox_AP': 0.4}",
    ]  # fmt: skip


@pytest.mark.parametrize("steps", [4, 6])
def test_an_evaluation_that_was_killed_is_made_up_for_once(tmp_path: Path, steps: int) -> None:
    epoch = steps // 2
    harness = Harness(tmp_path, plan(6, eval_every=2), aps=(0.5, 0.5), progress=Progress(epoch, steps, {}))
    harness.trainer.run()
    assert harness.events[:2] == [f"eval {epoch}", f"best {epoch} {steps} {{'bbox_AP': 0.5}}"]
    again = Harness(tmp_path, plan(6, eval_every=2), aps=(0.5, 0.5), progress=Progress(epoch, steps, {}), best=0.5)
    again.trainer.run()
    assert again.events == ([] if steps == 6 else ["step 4", "step 5", "last 3 6 {}", "eval 3"])


def test_rare_evaluation_and_saving_still_happen_at_the_end(tmp_path: Path) -> None:
    harness = Harness(tmp_path, plan(6, eval_every=0, save_every=2), aps=(0.3,))
    harness.trainer.run()
    assert [event for event in harness.events if not event.startswith("step")] == [
        "last 2 4 {}", "last 3 6 {}", "eval 3", "best 3 6 {'bbox_AP': 0.3}"
    ]  # fmt: skip


def test_length_in_iterations_may_end_within_an_epoch(tmp_path: Path) -> None:
    harness = Harness(tmp_path, plan(5, steps_per_epoch=3, eval_every=2), aps=(0.3,))
    harness.trainer.run()
    assert harness.events == [
        "step 0", "step 1", "step 2", "last 1 3 {}", "step 3", "step 4", "last 1 5 {}",
        "eval 1", "best 1 5 {'bbox_AP': 0.3}",
    ]  # fmt: skip


def test_saves_and_evaluations_within_an_epoch(tmp_path: Path) -> None:
    within = Plan(total_steps=6, steps_per_epoch=3, eval_every=0, save_every=1, eval_every_steps=4, save_every_steps=2)
    harness = Harness(tmp_path, within, aps=(0.3, 0.2))
    harness.trainer.run()
    assert harness.events == [
        "step 0", "step 1", "last 0 2 {}", "step 2", "step 3", "last 1 4 {}", "eval 1", "best 1 4 {'bbox_AP': 0.3}",
        "step 4", "step 5", "last 2 6 {'bbox_AP': 0.3}", "eval 2",
    ]  # fmt: skip
    rows = [row for row in read_rows(tmp_path / "metrics.jsonl") if row["kind"] == "eval"]
    assert [row["epoch"] for row in rows] == [1.3333, 2]


def test_an_evaluation_within_an_epoch_can_end_training_and_is_made_up_for(tmp_path: Path) -> None:
    quarters = plan(40, steps_per_epoch=8, eval_every=0.25)
    harness = Harness(tmp_path, quarters, aps=(0.3, 0.2), early_stop=EarlyStop(patience=1))
    assert harness.trainer.run().step == 4
    missed = Harness(tmp_path, plan(2, steps_per_epoch=4), aps=(0.3,), progress=Progress(0, 2, {}))
    missed.trainer.run()
    assert missed.events == []  # its row is there
    missed = Harness(tmp_path, plan(8, steps_per_epoch=4, eval_every=1.5), aps=(0.3, 0.4), progress=Progress(1, 6, {}))
    missed.trainer.run()
    assert missed.events[0] == "eval 1"


@pytest.mark.parametrize(
    ("every", "due"),
    [(1, [7, 14]), (2, [14]), (0.5, [4, 7, 11, 14]), (0.01, list(range(1, 15))), (1.5, [11, 14]), (0, [14])],
)
def test_fractions_of_epochs_fall_on_the_next_step(every: float, due: list[int]) -> None:
    intervals = plan(14, steps_per_epoch=7, eval_every=every)
    assert [step for step in range(1, 15) if intervals.evaluates_after(step)] == due


def test_a_tenth_of_an_epoch_is_due_ten_times() -> None:
    tenths = plan(30, steps_per_epoch=30, save_every=0.1)
    assert [step for step in range(1, 31) if tenths.saves_after(step)] == list(range(3, 31, 3))


def test_without_evaluation_last_is_saved_at_the_end_all_the_same(tmp_path: Path) -> None:
    harness = Harness(tmp_path, plan(4, save_every=3))
    harness.trainer.run()
    assert harness.events == ["step 0", "step 1", "step 2", "step 3", "last 2 4 {}"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((math.nan, 2.0, 3.0), "not finite: box ("),
        ((1.0, math.inf, math.nan), "not finite: mask, gradient norm ("),
        ((1.0, 2.0, math.inf), "not finite: gradient norm ("),
    ],
)
def test_non_finite_stops_and_names(tmp_path: Path, values: tuple[float, ...], named: str) -> None:
    harness = Harness(tmp_path, plan(6), aps=(0.3,) * 3, bad={3: values})
    with pytest.raises(InputError) as caught:
        harness.trainer.run()
    message = str(caught.value)
    assert "step 4" in message
    assert named in message
    assert f"box {values[0]}, mask {values[1]}" in message
    assert "images 102, 103" in message
    assert harness.events[-1] == "step 3"  # nothing saved over the good checkpoint


def test_short_loader_is_an_error(tmp_path: Path) -> None:
    harness = Harness(tmp_path, plan(4))
    harness.loader.steps = 1
    with pytest.raises(RuntimeError, match="ended epoch 0"):
        harness.trainer.run()


@pytest.mark.parametrize(("number", "ending"), ENDINGS)
def test_signal_finishes_the_step_and_saves(tmp_path: Path, number: int, ending: type[BaseException]) -> None:
    before = signal.getsignal(number)
    harness = Harness(tmp_path, plan(6, steps_per_epoch=6))
    plain_step = harness.step

    def step(batch: Any, index: int) -> tuple[tuple[Tensor, ...], Tensor]:
        if index == 2:
            os.kill(os.getpid(), number)
        return plain_step(batch, index)

    harness.step = step  # type: ignore[method-assign]
    with pytest.raises(ending) as caught:
        harness.trainer.run()
    assert getattr(caught.value, "code", 143) == 143
    assert harness.events == ["step 0", "step 1", "step 2", "last 0 3 {}"]
    assert signal.getsignal(number) == before


def test_signal_during_evaluation_ends_at_once_with_last_saved(tmp_path: Path) -> None:
    harness = Harness(tmp_path, plan(4), aps=(0.3, 0.4))

    def evaluate(epoch: int) -> Scores:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
        raise AssertionError("the evaluation went on")

    harness.evaluate = evaluate  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        harness.trainer.run()
    assert harness.events == ["step 0", "step 1", "last 1 2 {}"]


def test_second_signal_does_not_wait() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT
        with pytest.raises(SystemExit) as caught:
            kill_and_wait(signal.SIGTERM)
    assert caught.value.code == 143


def test_a_second_ctrl_c_is_a_keyboard_interrupt_at_once() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            kill_and_wait(signal.SIGINT)


def test_nothing_is_handled_in_another_thread() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    inside: list[Any] = []

    def work() -> None:
        with StopSignals() as signals, signals.immediate():
            inside.extend(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == before


@pytest.mark.usefixtures("python_interrupts")
class TestInterruptsKept:
    """MindSpore's handler, which replaces the process's in each graph run, stood in for by SIG_IGN set in C."""

    library = ctypes.CDLL(None)

    def replace_handler(self) -> None:
        self.library.signal(int(signal.SIGINT), ctypes.c_void_p(1))  # SIG_IGN, unknown to Python

    def interrupt(self) -> None:
        time.sleep(0.1)  # five times the keeper's interval
        with pytest.raises(KeyboardInterrupt):
            kill_and_wait(signal.SIGINT)

    def test_within_and_after(self) -> None:
        with preserve_interrupts():
            self.replace_handler()
            self.interrupt()
            self.replace_handler()
        self.interrupt()

    def test_a_block_in_another_takes_over_its_handler(self) -> None:
        with preserve_interrupts():
            self.replace_handler()
            with preserve_interrupts():
                self.interrupt()
            self.interrupt()
        self.interrupt()

    def test_no_thread_is_left(self) -> None:
        with preserve_interrupts(), preserve_interrupts():
            pass
        assert "interrupt-keeper" not in [thread.name for thread in threading.enumerate()]

    @pytest.mark.parametrize("method", ["start", "join"])
    def test_no_thread_is_left_by_a_ctrl_c_at_the_edges(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        """Where a call that a notebook repeats spends its time on a busy machine."""
        plain = getattr(threading.Thread, method)

        def interrupted(self: threading.Thread) -> None:
            monkeypatch.setattr(threading.Thread, method, plain)
            if method == "start":
                plain(self)
            os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(threading.Thread, method, interrupted)
        with pytest.raises(KeyboardInterrupt), preserve_interrupts():
            pass
        assert "interrupt-keeper" not in [thread.name for thread in threading.enumerate()]
        self.test_within_and_after()


def kill_and_wait(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(10)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_process_with_compiled_step(tmp_path: Path, number: signal.Signals, status: int) -> None:
    """In graph mode MindSpore has replaced the handler of SIGINT by the time the signal comes."""
    program = Path(__file__).with_name("signalled_training.py")
    ended = subprocess.run(
        [sys.executable, str(program), str(tmp_path), str(int(number))],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ended.returncode == status, ended.stderr
    assert f"stopped by {number.name} after step 8; saved last" in ended.stderr
    assert "Traceback" not in ended.stderr
    checkpoint = load_checkpoint(tmp_path / "last.ckpt")
    assert checkpoint.info.step == 8
    assert checkpoint.optimizer["global_step"].asnumpy() == [8]
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [1, 5]
    assert "stopped by" in (tmp_path / "train.log").read_text()


def test_a_signal_to_another_process_stops_this_one_after_the_same_step(tmp_path: Path) -> None:
    def all_gather(value: Any) -> list[Any]:
        """What this rank and another, which receives SIGTERM in the third step, have."""
        if isinstance(value, tuple):
            return [value, tuple(3 * number for number in value)]
        return [value, signal.SIGTERM if harness.trainer.progress.step == 3 else None]

    harness = Harness(tmp_path, plan(6), aps=(0.3,), ranks=Ranks(rank=0, size=2, all_gather=all_gather))
    with pytest.raises(SystemExit) as stopped:
        harness.trainer.run()
    assert stopped.value.code == 143
    assert harness.events[-2:] == ["step 2", "last 1 3 {'bbox_AP': 0.3}"]
    (first, *_) = read_rows(tmp_path / "metrics.jsonl")
    assert first["losses"] == {"box": 2.0, "mask": 4.0}  # means of this rank's 1 and 2, and three times these
