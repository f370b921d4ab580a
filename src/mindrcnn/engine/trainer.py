"""The training loop."""

import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mindspore import Tensor

from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.early_stop import EarlyStop
from mindrcnn.engine.signals import StopSignals
from mindrcnn.engine.tracking.recorder import StepResult
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How long to train, and what to do when. An evaluation and a save of `last` also come at the end.

    eval_every, save_every: in epochs; eval_every 0 evaluates at the end only. The last epoch may be partial.
    """

    total_steps: int
    steps_per_epoch: int
    eval_every: int
    save_every: int


@dataclass(frozen=True)
class Progress:
    """How far training is: completed epochs and steps, and the last evaluation's metrics (empty before the first)."""

    epoch: int = 0
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


class Loader(Protocol):
    """Gives the batches of one epoch, counted from 0; a batch has `image_ids`, one per image."""

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Any]: ...


class Record(Protocol):
    """Where a training is told: recorder.py on the first of several processes, rank_recorder.py on the others. A `with`
    block around the training closes it."""

    def __enter__(self) -> Any: ...
    def __exit__(self, *error: Any) -> None: ...
    def step(self, result: StepResult) -> None: ...
    def evaluation(self, *, epoch: int, step: int, metrics: Mapping[str, float]) -> None: ...
    def curves(self) -> None: ...
    def has_evaluation(self, step: int) -> bool: ...


StepFunction = Callable[..., tuple[tuple[Tensor, ...], Tensor]]  # TrainStep's call
Feed = Callable[[Any, int], tuple[Tensor, ...]]  # (batch, step) -> the step's arguments
Evaluate = Callable[[int], Mapping[str, float]]  # completed epochs -> metrics
Save = Callable[[Literal["last", "best"], Progress], None]
Keep = Callable[[Progress], None]  # told of each evaluation


class Trainer:
    """Runs a plan: steps, reports, evaluations, checkpoints.

    step: a TrainStep, or an AccumulatingStep with a feed of groups. loss_names: names of its losses. evaluate: None
    where there is nothing to evaluate on. best_metric: the metric, larger is better, that decides when `best` is saved.
    progress, best: how far the training that is resumed came, and the best metric of its evaluations. early_stop: may
    end the training after an evaluation. keep: told of each evaluation, to keep more than one best checkpoint. ranks:
    the processes that train together: they record the means of their losses, stop after the same step, decide alike.
    """

    def __init__(
        self,
        *,
        step: StepFunction,
        loader: Loader,
        feed: Feed,
        plan: Plan,
        loss_names: tuple[str, ...],
        recorder: Record,
        save: Save,
        evaluate: Evaluate | None,
        best_metric: str,
        progress: Progress | None = None,
        best: float = -math.inf,
        early_stop: EarlyStop | None = None,
        keep: Keep | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.step = step
        self.loader = loader
        self.feed = feed
        self.plan = plan
        self.loss_names = loss_names
        self.recorder = recorder
        self.save = save
        self.evaluate = evaluate
        self.best_metric = best_metric
        self.progress = progress or Progress()
        self.best = best
        self.early_stop = early_stop or EarlyStop(patience=0)
        self.keep = keep
        self.ranks = ranks or Ranks()

    def run(self) -> Progress:
        """Trains to the end of the plan; must be called from the main thread, as it handles signals.

        SIGINT or SIGTERM: finishes the step, saves `last` and raises SystemExit with status 130 or 143; during an
        evaluation, which follows a save, at once. Raises InputError at a loss that is not finite, and saves nothing.
        """
        with StopSignals() as signals:
            self._missed_evaluation(signals)
            while not self._ended() and not self.early_stop.due:
                self._epoch(signals)
                self._end_of_epoch(signals)
        if not self._ended():
            logger.info("ended early: %d evaluations without a better %s", self.early_stop.stale, self.best_metric)
        return self.progress

    def _missed_evaluation(self, signals: StopSignals) -> None:
        """The one that a resumed training was stopped before: a save comes first."""
        progress = self.progress
        at_end_of_epoch = progress.step > 0 and self._epoch_is_over()
        if at_end_of_epoch and self._evaluation_is_due() and not self.recorder.has_evaluation(progress.step):
            with signals.immediate():
                self._evaluate()

    def _epoch(self, signals: StopSignals) -> None:
        epoch, first = divmod(self.progress.step, self.plan.steps_per_epoch)
        wanted = min(self.plan.steps_per_epoch - first, self.plan.total_steps - self.progress.step)
        batches = self.loader.epoch(epoch, first)
        for _ in range(wanted):
            started = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                raise RuntimeError(f"the loader ended epoch {epoch} before its {self.plan.steps_per_epoch} steps")
            self._step(batch, started)
            stop = self._agreed(signals.received)
            if stop is not None:
                signals.received = stop
                self.save("last", self.progress)
                logger.warning("stopped by %s after step %d; saved last", stop.name, self.progress.step)
                signals.exit_if_received()

    def _step(self, batch: Any, started: float) -> None:
        """One step; `started` is when the wait for its batch began."""
        step = self.progress.step
        arrived = time.perf_counter()
        losses, norm = self.step(*self.feed(batch, step))
        values = self.ranks.mean(tuple(float(loss.asnumpy()) for loss in losses))
        grad_norm = float(norm.asnumpy())
        self._check_finite(batch, values, grad_norm)
        finished = step + 1
        self.progress = Progress(finished // self.plan.steps_per_epoch, finished, self.progress.metrics)
        self.recorder.step(
            StepResult(
                step=finished,
                losses=values,
                grad_norm=grad_norm,
                images=len(batch.image_ids) * self.ranks.size,
                wait=arrived - started,
                seconds=time.perf_counter() - started,
            )
        )

    def _agreed(self, received: signal.Signals | None) -> signal.Signals | None:
        """The signal that this rank or else another has received: all stop after the same step."""
        return next((number for number in self.ranks.all_gather(received) if number is not None), None)

    def _check_finite(self, batch: Any, losses: tuple[float, ...], grad_norm: float) -> None:
        """The gradient norm counts too: with it not finite the weights no longer are, whatever this step's losses."""
        named = dict(zip(self.loss_names, losses, strict=True)) | {"gradient norm": grad_norm}
        bad = {name: value for name, value in named.items() if not math.isfinite(value)}
        if bad:
            listed = ", ".join(f"{name} {value}" for name, value in named.items())
            raise InputError(
                f"training stopped at step {self.progress.step + 1}: not finite: {', '.join(bad)} ({listed}); "
                f"images {', '.join(str(image_id) for image_id in batch.image_ids)}. Checkpoints of earlier epochs are "
                "kept. A lower base_lr, a longer warm-up or clip_norm may help"
            )

    def _end_of_epoch(self, signals: StopSignals) -> None:
        evaluates = self._evaluation_is_due()
        if self._ended() or evaluates or self.progress.epoch % self.plan.save_every == 0:
            self.save("last", self.progress)
        with signals.immediate():
            self.recorder.curves()
            if evaluates:
                self._evaluate()

    def _ended(self) -> bool:
        return self.progress.step >= self.plan.total_steps

    def _epoch_is_over(self) -> bool:
        return self._ended() or self.progress.step % self.plan.steps_per_epoch == 0

    def _evaluation_is_due(self) -> bool:
        every = self.plan.eval_every
        return self.evaluate is not None and (self._ended() or (every > 0 and self.progress.epoch % every == 0))

    def _evaluate(self) -> None:
        assert self.evaluate is not None
        epoch, step = self.progress.epoch, self.progress.step
        metrics = self.evaluate(epoch)
        self.progress = Progress(epoch, step, metrics)
        better = metrics[self.best_metric] > self.best
        if better:
            self.best = metrics[self.best_metric]
            logger.info("epoch %d: %s %.4f is the best so far", epoch, self.best_metric, self.best)
            self.save("best", self.progress)
        if self.keep is not None:
            self.keep(self.progress)
        self.early_stop.evaluated(better=better)
        # Last: a resumed training takes the row as a sign that all of this was done.
        self.recorder.evaluation(epoch=epoch, step=step, metrics=metrics)
