"""Recorders of a training run: progress lines, rows of metrics.jsonl, curves.png, and rows passed on to sinks."""

import logging
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import mindspore as ms
import numpy as np

from mindrcnn import paths
from mindrcnn.engine.tracking.curves import draw_curves
from mindrcnn.engine.tracking.epoch_totals import EpochTotals
from mindrcnn.engine.tracking.metrics_log import MetricsLog, replace_non_finite
from mindrcnn.engine.tracking.scores import Scores
from mindrcnn.engine.tracking.sinks import MetricSink, row_scalars
from mindrcnn.engine.tracking.stage_losses import describe_losses, stage_losses

logger = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
_KIBIBYTE = 1024  # the unit in which Linux reports the resident set
_GIGABYTE = 1e9


def peak_memory_gb() -> dict[str, float]:
    """Returns the peak memory so far, in units of 1e9 bytes.

    "host" is the resident memory of this process without its children. "device" is what tensors have taken there; it is
    missing on a CPU, which has no device of its own.
    """
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTE / _GIGABYTE}
    if ms.get_context("device_target") != "CPU":
        peak["device"] = ms.runtime.max_memory_allocated() / _GIGABYTE
    return peak


@dataclass(frozen=True)
class StepResult:
    """One finished step.

    Attributes:
        step: number of completed steps, including this one.
        losses: one value per loss.
        grad_norm: norm of the gradients before clipping.
        images: number of images in the step, over all processes.
        wait: seconds spent waiting for the batch.
        seconds: duration of the whole step, including `wait`.
        compiled: whether it was compiled for these input sizes, so that its duration says nothing about speed.
    """

    step: int
    losses: tuple[float, ...]
    grad_norm: float
    images: int
    wait: float
    seconds: float
    compiled: bool = False


class Recorder:
    """The recorder of the first process; it reports the first step, the last, and every `log_every`-th between.

    folder: receives metrics.jsonl and curves.png.
    loss_names: one per loss of a step.
    learning_rates: (total_steps,) float32, one per step.
    steps_per_epoch: optimizer steps in an epoch.
    log_every: steps from one report to the next.
    sinks: receive every row as well; closed at the end of the `with` block.
    pictures: files that an evaluation draws.
    memory: returns the memory to report, in 1e9 bytes by place.
    """

    def __init__(
        self,
        *,
        folder: Path,
        loss_names: tuple[str, ...],
        learning_rates: np.ndarray,
        steps_per_epoch: int,
        log_every: int,
        sinks: Sequence[MetricSink] = (),
        pictures: Sequence[Path] = (),
        memory: Callable[[], Mapping[str, float]] = peak_memory_gb,
    ) -> None:
        self.log = MetricsLog(folder / METRICS)
        self.picture = folder / "curves.png"
        self.loss_names = loss_names
        self.learning_rates = learning_rates
        self.steps_per_epoch = steps_per_epoch
        self.log_every = log_every
        self.sinks = sinks
        self.pictures = pictures
        self.memory = memory
        self._window: list[StepResult] = []
        self._timed: list[StepResult] = []  # those of the window whose durations say something about speed
        self._timed_steps = 0
        self._timed_seconds = 0.0
        self._begun = False
        self._epoch = EpochTotals()
        self._started = time.perf_counter()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for sink in self.sinks:
            sink.close(failed=error is not None)

    def step(self, result: StepResult) -> None:
        """Adds one step, and writes a line and a row when they are due."""
        first, timed = not self._begun, self._begun and not result.compiled
        self._begun = True
        self._window.append(result)
        self._epoch.add(result.losses, result.seconds, timed=timed)
        if timed:
            self._timed.append(result)
            self._timed_steps += 1
            self._timed_seconds += result.seconds
        else:
            which = "the first step" if first else f"step {result.step}"
            logger.info("%s took %.1f s%s", which, result.seconds, ", most of it compilation" * result.compiled)
        last = result.step == len(self.learning_rates)
        if first or last or result.step % self.log_every == 0:
            self._report(result)

    def end_epoch(self, step: int) -> None:
        """Logs duration and mean losses of the epoch that ends with `step`, and the time since the start."""
        finished, self._epoch = self._epoch, EpochTotals()
        epoch, epochs = self._place(step)
        text, elapsed = finished.text(self.loss_names), timedelta(seconds=round(time.perf_counter() - self._started))
        logger.info("epoch %d/%d ended: %s | %s since the start", epoch, epochs, text, elapsed)

    def evaluation(self, *, epoch: float, step: int, scores: Scores) -> None:
        """Writes an evaluation's row, passes its pictures to the sinks and redraws the curves."""
        self._write("eval", step=step, epoch=epoch, metrics=dict(scores.metrics), classes=dict(scores.classes))
        drawn = [picture for picture in self.pictures if paths.is_file(picture)]
        for sink in self.sinks if drawn else ():
            sink.pictures(step, drawn)
        self.curves()

    def has_evaluation(self, step: int) -> bool:
        """Tells whether the evaluation after `step` steps has been written."""
        return self.log.has_evaluation(step)

    def curves(self) -> None:
        """Redraws curves.png from all rows so far."""
        draw_curves(self.log.path, self.picture)

    def _write(self, kind: str, **values: Any) -> None:
        """Writes a row with the time of day to disk, then passes it to the sinks."""
        self.log.write(kind, **values, time=datetime.now().astimezone().isoformat(timespec="seconds"))
        scalars = row_scalars(replace_non_finite({"kind": kind, **values}))
        for sink in self.sinks:
            sink.scalars(values["step"], scalars)

    def _report(self, last: StepResult) -> None:
        window, self._window = self._window, []
        timed, self._timed = self._timed, []
        means = np.mean([result.losses for result in window], axis=0).tolist()
        losses, lr = dict(zip(self.loss_names, means, strict=True)), float(self.learning_rates[last.step - 1])
        norm = float(np.mean([result.grad_norm for result in window]))
        speed, wait, eta = None, None, None
        if timed:
            seconds = sum(result.seconds for result in timed)
            speed = sum(result.images for result in timed) / seconds
            wait = sum(result.wait for result in timed) / seconds
            eta = (len(self.learning_rates) - last.step) * self._timed_seconds / self._timed_steps
        memory = dict(self.memory())
        self._write(
            "train",
            step=last.step,
            epoch=round(last.step / self.steps_per_epoch, 4),
            losses=losses,
            **stage_losses(losses),
            total=sum(means),
            lr=lr,
            grad_norm=norm,
            images_per_s=speed,
            data_wait=wait,
            eta_s=eta,
            memory_gb=memory,
        )
        logger.info(
            "%s | loss %s | grad %.2f | lr %.3g | %s%s", self._where(last.step), describe_losses(losses), norm, lr,
            " + ".join(f"{size:.1f} GB {place}" for place, size in memory.items()), _pace(speed, wait, eta),
        )  # fmt: skip

    def _where(self, step: int) -> str:
        epoch, epochs = self._place(step)
        return f"epoch {epoch}/{epochs} step {step}/{len(self.learning_rates)}"

    def _place(self, step: int) -> tuple[int, int]:
        """Returns the number of the epoch that `step` is in, from 1, and the number of epochs."""
        return (step - 1) // self.steps_per_epoch + 1, -(-len(self.learning_rates) // self.steps_per_epoch)


def _pace(speed: float | None, wait: float | None, eta: float | None) -> str:
    """Formats speed, waiting time and remaining time; empty before the first timed step."""
    if speed is None or wait is None or eta is None:
        return ""
    return f" | {speed:.2f} images/s | data wait {100 * wait:.0f}% | ETA {timedelta(seconds=round(eta))}"


class RankRecorder:
    """The recorder of every process but the first; it only reads the metrics.jsonl in `folder`."""

    def __init__(self, *, folder: Path, log_every: int) -> None:
        self._log = MetricsLog(folder / METRICS)
        self._log_every = log_every

    def __enter__(self) -> "RankRecorder":
        return self

    def __exit__(self, *error: object) -> None:
        """Does nothing: no file is open."""

    def step(self, result: StepResult) -> None:
        """Logs a line every `log_every` steps: only here does a process that waits for its data show."""
        if result.step % self._log_every == 0:
            logger.info("step %d took %.2f s, %.2f s of it waiting for data", result.step, result.seconds, result.wait)

    def end_epoch(self, step: int) -> None:
        """Does nothing: the first process logs it."""

    def evaluation(self, *, epoch: float, step: int, scores: Scores) -> None:
        """Does nothing: the first process writes the row."""

    def curves(self) -> None:
        """Does nothing: the first process draws them."""

    def has_evaluation(self, step: int) -> bool:
        """Tells whether the first process has written the evaluation after `step` steps."""
        return self._log.has_evaluation(step)
