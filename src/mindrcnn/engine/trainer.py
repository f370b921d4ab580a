"""The training loop."""

import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mindspore import Tensor

from mindrcnn.compilation import Compilations
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.early_stop import EarlyStop
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.signals import StopSignals
from mindrcnn.engine.tracking.recorder import StepResult
from mindrcnn.engine.tracking.scores import Scores
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

STOPPING = "finishing the step, then saving; the next signal ends the run at once, without saving"


@dataclass(frozen=True)
class Progress:
    """Completed epochs and steps, and the metrics of the last evaluation (empty before the first)."""

    epoch: int = 0
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


class Loader(Protocol):
    """Gives the batches of one epoch, counted from 0; a batch has `image_ids`, one per image."""

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Any]: ...


class TrainingRecorder(Protocol):
    """Records steps and evaluations: Recorder on the first of several processes, RankRecorder on the others.

    It is used as a `with` block around training.
    """

    def __enter__(self) -> Any: ...
    def __exit__(self, *error: Any) -> None: ...
    def step(self, result: StepResult) -> None: ...
    def end_epoch(self, step: int) -> None: ...
    def evaluation(self, *, epoch: float, step: int, scores: Scores) -> None: ...
    def curves(self) -> None: ...
    def has_evaluation(self, step: int) -> bool: ...


StepFunction = Callable[..., tuple[tuple[Tensor, ...], Tensor]]  # TrainStep's call
Feed = Callable[[Any, int], tuple[Tensor, ...]]  # (batch, step) -> the step's arguments
Evaluate = Callable[[int], Scores]  # completed epochs -> metrics


class Checkpoints(Protocol):
    """Saves the state of training; told of each evaluation, it can keep more than one best checkpoint."""

    def save(self, which: Literal["last", "best"], progress: Progress) -> None: ...
    def record_evaluation(self, progress: Progress) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The parts of a training step.

    step: a TrainStep, or an AccumulatingStep with a feed of groups.
    loader: gives the batches.
    feed: converts a batch to the arguments of `step`.
    loss_names: names of the losses that `step` returns.
    compiling: announces the input sizes that `step` is compiled for; None if it is not compiled.
    """

    step: StepFunction
    loader: Loader
    feed: Feed
    loss_names: tuple[str, ...]
    compiling: Compilations | None = None

    def is_new(self, arguments: tuple[Any, ...]) -> bool:
        """Tells whether `step` compiles for its arguments, and says so first."""
        if self.compiling is None:
            return False
        first, *_ = arguments
        batches = arguments if isinstance(first, tuple) else (arguments,)
        return self.compiling.announce(images.shape for images, *_ in batches)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Evaluation during training.

    evaluate: returns the scores.
    metric: name of the metric that decides when `best` is saved; larger is better.
    best: its largest value so far in a resumed run.
    early_stop: may end training after an evaluation.
    """

    evaluate: Evaluate
    metric: str
    best: float = -math.inf
    early_stop: EarlyStop = field(default_factory=lambda: EarlyStop(patience=0))


class Trainer:
    """Runs a plan: steps, evaluations, records and checkpoints.

    steps: the training step and its data.
    plan: the number of steps and the intervals of saves and evaluations.
    recorder: records steps and evaluations.
    checkpoints: saves the state.
    validation: None without a validation split.
    progress: that of a resumed run.
    ranks: the processes that train together: they record the means of their losses, stop after the same step and make
        the same decisions.
    before_save: called before each save that is due, but not before that of a signal, which must be quick.
    """

    def __init__(
        self,
        *,
        steps: Steps,
        plan: Plan,
        recorder: TrainingRecorder,
        checkpoints: Checkpoints,
        validation: Validation | None = None,
        progress: Progress | None = None,
        ranks: Ranks | None = None,
        before_save: Callable[[], None] = lambda: None,
    ) -> None:
        self.steps = steps
        self.plan = plan
        self.recorder = recorder
        self.checkpoints = checkpoints
        self.validation = validation
        self.progress = progress or Progress()
        self.ranks = ranks or Ranks()
        self.before_save = before_save
        self.best = -math.inf if validation is None else validation.best

    def run(self) -> Progress:
        """Trains to the end of the plan.

        After SIGINT or SIGTERM it finishes the step, saves `last` and raises KeyboardInterrupt, or SystemExit with
        status 143; during an evaluation, which follows a save, it raises at once. Raises InputError for a loss that is
        not finite, without saving.
        """
        with StopSignals(notice=STOPPING) as signals:
            self._run_missed_evaluation(signals)
            while not self._is_finished() and not self._stops_early():
                self._run_epoch(signals)
        if self.validation is not None and not self._is_finished():
            stale = self.validation.early_stop.stale
            logger.info("ended early: %d evaluations without a better %s", stale, self.validation.metric)
        return self.progress

    def _run_missed_evaluation(self, signals: StopSignals) -> None:
        """Runs the evaluation that a resumed run was stopped before: saving comes first."""
        step = self.progress.step
        if step > 0 and self._evaluation_is_due() and not self.recorder.has_evaluation(step):
            with signals.immediate():
                self._evaluate()

    def _run_epoch(self, signals: StopSignals) -> None:
        """Runs the steps to the end of the epoch, unless training stops early, with the saves and evaluations due."""
        epoch, first = divmod(self.progress.step, self.plan.steps_per_epoch)
        wanted = min(self.plan.steps_per_epoch - first, self.plan.total_steps - self.progress.step)
        batches = self.steps.loader.epoch(epoch, first)
        for _ in range(wanted):
            started = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                raise RuntimeError(f"the loader ended epoch {epoch} before its {self.plan.steps_per_epoch} steps")
            self._run_step(batch, started)
            stop = self._agree_on_signal(signals.received)
            if stop is not None:
                signals.received = stop
                self.checkpoints.save("last", self.progress)
                logger.warning("stopped by %s after step %d; saved last", stop.name, self.progress.step)
                signals.end_if_received()
            self._finish_step(signals)
            if self._stops_early():
                return

    def _run_step(self, batch: Any, started: float) -> None:
        """Runs one step; `started` is the time at which the wait for its batch began."""
        step = self.progress.step
        arrived = time.perf_counter()
        arguments = self.steps.feed(batch, step)
        compiles = self.steps.is_new(arguments)
        losses, norm = self.steps.step(*arguments)
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
                compiled=compiles,
            )
        )

    def _agree_on_signal(self, received: signal.Signals | None) -> signal.Signals | None:
        """Returns a signal that any rank has received, the same on all, so that they stop after the same step."""
        return next((number for number in self.ranks.all_gather(received) if number is not None), None)

    def _check_finite(self, batch: Any, losses: tuple[float, ...], grad_norm: float) -> None:
        """Raises InputError unless losses and gradient norm are finite; an infinite norm would spoil the weights."""
        named = dict(zip(self.steps.loss_names, losses, strict=True)) | {"gradient norm": grad_norm}
        bad = {name: value for name, value in named.items() if not math.isfinite(value)}
        if bad:
            listed = ", ".join(f"{name} {value}" for name, value in named.items())
            raise InputError(
                f"training stopped at step {self.progress.step + 1}: not finite: {', '.join(bad)} ({listed}); "
                f"images {', '.join(str(image_id) for image_id in batch.image_ids)}. Checkpoints of earlier epochs are "
                "kept. A lower base_lr, a longer warm-up or clip_norm may help"
            )

    def _finish_step(self, signals: StopSignals) -> None:
        """Saves, evaluates and draws the curves where they are due."""
        step, evaluates = self.progress.step, self._evaluation_is_due()
        if self.plan.is_end_of_epoch(step):
            self.recorder.end_epoch(step)
        if evaluates or self.plan.saves_after(step):
            self.before_save()
            self.checkpoints.save("last", self.progress)
        if evaluates or self.plan.is_end_of_epoch(step):
            with signals.immediate():
                self.recorder.curves()
                if evaluates:
                    self._evaluate()

    def _is_finished(self) -> bool:
        return self.progress.step >= self.plan.total_steps

    def _stops_early(self) -> bool:
        return self.validation is not None and self.validation.early_stop.due

    def _evaluation_is_due(self) -> bool:
        return self.validation is not None and self.plan.evaluates_after(self.progress.step)

    def _evaluate(self) -> None:
        assert self.validation is not None
        epoch, step, metric = self.progress.epoch, self.progress.step, self.validation.metric
        whole = self.plan.is_end_of_epoch(step)
        moment = f"epoch {epoch}" if whole else f"step {step} of epoch {epoch + 1}"
        logger.info("evaluating after %s", moment)
        scores = self.validation.evaluate(epoch)
        metrics = scores.metrics
        self.progress = Progress(epoch, step, metrics)
        better = metrics[metric] > self.best
        if better:
            self.best = metrics[metric]
            logger.info("%s: %s %.4f is the best so far", moment, metric, self.best)
            self.checkpoints.save("best", self.progress)
        self.checkpoints.record_evaluation(self.progress)
        self.validation.early_stop.record_evaluation(better=better)
        # Last, because a resumed run takes this row as a sign that the rest was done.
        exact = epoch if whole else round(step / self.plan.steps_per_epoch, 4)
        self.recorder.evaluation(epoch=exact, step=step, scores=scores)
