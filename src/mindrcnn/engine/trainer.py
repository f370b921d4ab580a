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


class Checkpoints(Protocol):
    """Saves the state of training, and is told of each evaluation, to keep more than one best checkpoint."""

    def save(self, which: Literal["last", "best"], progress: Progress) -> None: ...
    def evaluated(self, progress: Progress) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The work of a step: the step itself, a TrainStep, or an AccumulatingStep with a feed of groups; where its batches
    come from; how they become its arguments; the names of its losses."""

    step: StepFunction
    loader: Loader
    feed: Feed
    loss_names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The evaluations during training, and what they decide.

    metric: larger is better; decides when `best` is saved. best: the best one of a resumed run's evaluations so far.
    early_stop: may end training after an evaluation.
    """

    evaluate: Evaluate
    metric: str
    best: float = -math.inf
    early_stop: EarlyStop = field(default_factory=lambda: EarlyStop(patience=0))


class Trainer:
    """Runs a plan: steps, reports, evaluations, checkpoints.

    steps: what is done again and again.
    plan: how often, and when to save and to evaluate.
    recorder: is told of steps and evaluations.
    checkpoints: saves.
    validation: None where there is nothing to evaluate on.
    progress: how far the run that is resumed came.
    ranks: the processes that train together: they record the means of their losses, stop after the same step, decide
        alike.
    """

    def __init__(
        self,
        *,
        steps: Steps,
        plan: Plan,
        recorder: Record,
        checkpoints: Checkpoints,
        validation: Validation | None = None,
        progress: Progress | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.steps = steps
        self.plan = plan
        self.recorder = recorder
        self.checkpoints = checkpoints
        self.validation = validation
        self.progress = progress or Progress()
        self.ranks = ranks or Ranks()
        self.best = -math.inf if validation is None else validation.best

    def run(self) -> Progress:
        """Trains to the end of the plan.

        SIGINT or SIGTERM: finishes the step, saves `last` and raises KeyboardInterrupt, or SystemExit with status 143;
        during an evaluation, which follows a save, at once. Raises InputError at a loss that is not finite, and saves
        nothing.
        """
        with StopSignals() as signals:
            self._missed_evaluation(signals)
            while not self._ended() and not self._stops_early():
                self._epoch(signals)
                self._end_of_epoch(signals)
        if self.validation is not None and not self._ended():
            stale = self.validation.early_stop.stale
            logger.info("ended early: %d evaluations without a better %s", stale, self.validation.metric)
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
        batches = self.steps.loader.epoch(epoch, first)
        for _ in range(wanted):
            started = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                raise RuntimeError(f"the loader ended epoch {epoch} before its {self.plan.steps_per_epoch} steps")
            self._step(batch, started)
            stop = self._agreed(signals.received)
            if stop is not None:
                signals.received = stop
                self.checkpoints.save("last", self.progress)
                logger.warning("stopped by %s after step %d; saved last", stop.name, self.progress.step)
                signals.end_if_received()

    def _step(self, batch: Any, started: float) -> None:
        """One step; `started` is when the wait for its batch began."""
        step = self.progress.step
        arrived = time.perf_counter()
        losses, norm = self.steps.step(*self.steps.feed(batch, step))
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
        named = dict(zip(self.steps.loss_names, losses, strict=True)) | {"gradient norm": grad_norm}
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
            self.checkpoints.save("last", self.progress)
        with signals.immediate():
            self.recorder.curves()
            if evaluates:
                self._evaluate()

    def _ended(self) -> bool:
        return self.progress.step >= self.plan.total_steps

    def _stops_early(self) -> bool:
        return self.validation is not None and self.validation.early_stop.due

    def _epoch_is_over(self) -> bool:
        return self._ended() or self.progress.step % self.plan.steps_per_epoch == 0

    def _evaluation_is_due(self) -> bool:
        every = self.plan.eval_every
        return self.validation is not None and (self._ended() or (every > 0 and self.progress.epoch % every == 0))

    def _evaluate(self) -> None:
        assert self.validation is not None
        epoch, step, metric = self.progress.epoch, self.progress.step, self.validation.metric
        metrics = self.validation.evaluate(epoch)
        self.progress = Progress(epoch, step, metrics)
        better = metrics[metric] > self.best
        if better:
            self.best = metrics[metric]
            logger.info("epoch %d: %s %.4f is the best so far", epoch, metric, self.best)
            self.checkpoints.save("best", self.progress)
        self.checkpoints.evaluated(self.progress)
        self.validation.early_stop.evaluated(better=better)
        # Last: a resumed run takes the row as a sign that all of this was done.
        self.recorder.evaluation(epoch=epoch, step=step, metrics=metrics)
