"""What the other processes of a training tell: nothing of what all share, a line now and then in their own log."""

import logging
from collections.abc import Mapping
from pathlib import Path

from mindrcnn.engine.metrics_log import MetricsLog
from mindrcnn.engine.recorder import METRICS, StepResult

logger = logging.getLogger(__name__)


class RankRecorder:
    """A recorder that writes no file. folder: where the first process writes metrics.jsonl, read only."""

    def __init__(self, *, folder: Path, log_every: int) -> None:
        self._log = MetricsLog(folder / METRICS)
        self._log_every = log_every

    def __enter__(self) -> "RankRecorder":
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    def step(self, result: StepResult) -> None:
        """A line every `log_every` steps: where a process waits for its data shows here only."""
        if result.step % self._log_every == 0:
            logger.info("step %d took %.2f s, %.2f s of it waiting for data", result.step, result.seconds, result.wait)

    def evaluation(self, *, epoch: int, step: int, metrics: Mapping[str, float]) -> None:
        """The first process has the row."""

    def curves(self) -> None:
        """The first process draws them."""

    def has_evaluation(self, step: int) -> bool:
        """Whether the first process has written the evaluation after `step` steps."""
        return self._log.has_evaluation(step)
