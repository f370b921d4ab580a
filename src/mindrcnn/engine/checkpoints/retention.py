"""Checkpoints that stay in a run folder besides last, previous and best: the newest, and the best by a metric."""

import re
from collections.abc import Callable
from pathlib import Path

from mindrcnn.engine.checkpoints.resume import LAST, second_name
from mindrcnn.engine.trainer import Progress

Write = Callable[[Path, Progress], None]  # saves a whole checkpoint

_NEWEST = re.compile(r"step_(\d{8})\.ckpt")
_BEST = re.compile(r"best_(-?\d+\.\d{4})_step_(\d{8})\.ckpt")


class KeptCheckpoints:
    """step_STEP.ckpt for each of the `last` newest saves, best_METRIC_step_STEP.ckpt for the `best` best evaluations.

    The files themselves are the memory, so a resumed training goes on with them. metric: larger is better.
    """

    def __init__(self, *, folder: Path, write: Write, metric: str, last: int, best: int) -> None:
        self.folder = folder
        self.write = write
        self.metric = metric
        self.last = last
        self.best = best

    def saved(self, progress: Progress) -> None:
        """Takes in that last.ckpt has just been saved."""
        if self.last == 0:
            return
        second_name(self.folder / LAST, self.folder / f"step_{progress.step:08d}.ckpt")
        steps = {int(found[1]): path for path, found in self._found(_NEWEST)}
        reached = sorted(step for step in steps if step <= progress.step)
        # A training that goes on from an earlier checkpoint comes by the later ones again.
        for step in steps.keys() - set(reached[-self.last :]):
            steps[step].unlink()

    def evaluated(self, progress: Progress) -> None:
        """Takes in an evaluation, whose metrics are in `progress`."""
        if self.best == 0:
            return
        own = self.folder / f"best_{progress.metrics[self.metric]:.4f}_step_{progress.step:08d}.ckpt"
        ranked = {path: (-float(found[1]), int(found[2])) for path, found in self._found(_BEST)}
        ranked[own] = (-float(f"{progress.metrics[self.metric]:.4f}"), progress.step)
        in_order = sorted(ranked, key=lambda path: ranked[path])
        if own in in_order[: self.best]:
            self.write(own, progress)
        for path in in_order[self.best :]:
            path.unlink(missing_ok=True)

    def _found(self, pattern: re.Pattern[str]) -> list[tuple[Path, re.Match[str]]]:
        matches = ((path, pattern.fullmatch(path.name)) for path in self.folder.iterdir())
        return [(path, found) for path, found in matches if found is not None]
