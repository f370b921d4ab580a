"""Checkpoints kept in a run folder besides last, previous and best: the newest, and the best by a metric."""

import re
from collections.abc import Callable
from pathlib import Path

from mindrcnn import paths
from mindrcnn.engine.checkpoints.resume import LAST, link_or_copy
from mindrcnn.engine.trainer import Progress

Write = Callable[[Path, Progress], None]  # saves a whole checkpoint

_NEWEST = re.compile(r"step_(?P<step>\d{8})\.ckpt")
_BEST = re.compile(r"best_(?P<metric>-?\d+\.\d{4})_step_(?P<step>\d{8})\.ckpt")


class KeptCheckpoints:
    """step_STEP.ckpt for each of the `last` newest saves, best_METRIC_step_STEP.ckpt for the `best` best evaluations.

    All state is in the file names, so a resumed run continues with the same files.

    folder: the run folder.
    write: saves a whole checkpoint to a path.
    metric: name of the metric that ranks evaluations; larger is better.
    last: number of newest saves to keep.
    best: number of best evaluations to keep.
    """

    def __init__(self, *, folder: Path, write: Write, metric: str, last: int, best: int) -> None:
        self.folder = folder
        self.write = write
        self.metric = metric
        self.last = last
        self.best = best

    def keep_newest(self, progress: Progress) -> None:
        """Keeps the last.ckpt that has just been saved, and deletes what is no longer among the newest."""
        if self.last == 0:
            return
        link_or_copy(self.folder / LAST, self.folder / f"step_{progress.step:08d}.ckpt")
        steps = {int(name["step"]): path for path, name in self._matches(_NEWEST)}
        reached = sorted(step for step in steps if step <= progress.step)
        # A run resumed from an earlier checkpoint will reach the later steps again.
        for step in steps.keys() - set(reached[-self.last :]):
            steps[step].unlink()

    def keep_best(self, progress: Progress) -> None:
        """Saves a checkpoint if the evaluation in `progress` is among the best; deletes those that no longer are."""
        if self.best == 0:
            return
        own = self.folder / f"best_{progress.metrics[self.metric]:.4f}_step_{progress.step:08d}.ckpt"
        ranked = {path: (-float(name["metric"]), int(name["step"])) for path, name in self._matches(_BEST)}
        ranked[own] = (-float(f"{progress.metrics[self.metric]:.4f}"), progress.step)
        in_order = sorted(ranked, key=lambda path: ranked[path])
        if own in in_order[: self.best]:
            self.write(own, progress)
        for path in in_order[self.best :]:
            path.unlink(missing_ok=True)

    def _matches(self, pattern: re.Pattern[str]) -> list[tuple[Path, re.Match[str]]]:
        matches = ((path, pattern.fullmatch(path.name)) for path in paths.list_folder(self.folder))
        return [(path, match) for path, match in matches if match is not None]
