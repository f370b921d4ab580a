"""Inference: the images that words name, through a detector, into the kinds of results that are asked for."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn import paths
from mindrcnn.concurrency import run_behind
from mindrcnn.detections import Detections
from mindrcnn.drawing.style import DEFAULT_STYLE, Style
from mindrcnn.engine.signals import StopSignals
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK, EXIT_SKIPPED
from mindrcnn.image_detector import Detector
from mindrcnn.obtain import checkpoint_file
from mindrcnn.opening import DEFAULT_RUNTIME, Runtime, images_per_call, open_detector
from mindrcnn.outputs import protect
from mindrcnn.report.thresholds import least_scores, read_scores
from mindrcnn.tasks.progress import log_progress
from mindrcnn.tasks.results.json_lines import JsonLines, Key
from mindrcnn.tasks.results.kinds import DEFAULT, JSONL, KINDS, check_kinds
from mindrcnn.tasks.results.pictures import Pictures, is_drawn
from mindrcnn.tasks.results.replay import read_detections
from mindrcnn.tasks.results.result import Add, Classes, Found, Plan, Result
from mindrcnn.tasks.results.summary import Summary
from mindrcnn.tasks.sources.entry import Search
from mindrcnn.tasks.sources.search import Item, Shard, find_entries
from mindrcnn.tiling.windows import Tiling

logger = logging.getLogger(__name__)

LISTED = 10  # classes that a message lists if none has a similar name
ALL = Shard()


def infer(
    file: Path,
    sources: Sequence[str],
    overrides: Sequence[str],
    *,
    out: Path,
    score_thresh: float,
    class_names: Sequence[str],
    batch_size: int | None = None,
    runtime: Runtime = DEFAULT_RUNTIME,
    save: Sequence[str] = DEFAULT,
    style: Style = DEFAULT_STYLE,
    zoo_format: bool = False,
    force: bool = False,
    recursive: bool = False,
    every: int = 1,
    tiling: Tiling | None = None,
    shard: Shard = ALL,
    resume: bool = False,
    quiet: bool = False,
    score_file: Path | None = None,
) -> int:
    """Predicts images, writes what was found into `out`, and returns the exit status.

    file: the checkpoint or exported file, or a published model's name.
    sources: files, folders, globs, lists, URLs, videos and cameras.
    overrides: configuration keys to change.
    out: folder to write.
    score_thresh: least score of a detection.
    class_names: classes to keep; empty keeps all.
    batch_size: images per forward pass; None is 1, or the number that an exported model is fixed to.
    runtime: the back end and device.
    save: kinds of results, see results.kinds.NAMES.
    style: how objects are drawn.
    zoo_format: whether predictions.json is a map from path to predictions, as the model zoo writes it.
    force: whether images and files of others may be replaced.
    recursive: whether folders in folders are entered.
    every: takes every N-th frame of a video.
    tiling: cuts images into tiles.
    shard: the part of the images that is predicted.
    resume: continues predictions.jsonl, which is written in any case.
    quiet: logs warnings and errors alone.
    score_file: least scores of single classes (report/thresholds.py), instead of `score_thresh`.
    """
    setup_logging(console_level=logging.WARNING if quiet else logging.INFO)
    kinds = check_kinds(save)
    file = checkpoint_file(file)
    entries = find_entries(sources, Search(recursive, every, out), shard)
    plan = Plan(folder=out, suffix=shard.suffix, entries=entries, style=style, zoo_format=zoo_format, force=force)
    settings: dict[str, Any] = {"overrides": list(overrides)}
    settings |= {"--score": score_thresh, "--classes": list(class_names), "--every": every, "--shard": str(shard)}
    scores = {} if score_file is None else read_scores(score_file)
    tiles = None if tiling is None else [tiling.side, tiling.overlap]
    settings |= {"--score-per-class": scores, "--tiles": tiles}
    record = _record_of(plan, file, settings) if resume or JSONL in kinds else None
    results = _prepare_results(plan, kinds, record, model=file, resume=resume)
    detector = open_detector(file, overrides, runtime=runtime, lowest_score=min(score_thresh, *scores.values(), 1.0))
    run = _Run(plan, results, record, _selection(detector.classes, class_names, scores, score_thresh))
    run.predict(detector, batch_size=images_per_call(detector, file, batch_size), tiling=tiling, resume=resume)
    return run.report(kinds)


def _record_of(plan: Plan, model: Path, settings: dict[str, Any]) -> JsonLines:
    return JsonLines(plan, settings={"model": f"{model}, {paths.size(model)} bytes"} | settings)


def _prepare_results(
    plan: Plan, kinds: Sequence[str], record: JsonLines | None, *, model: Path, resume: bool
) -> list[Result]:
    """Returns the kinds of results but for the record, after making sure that they may be written."""
    results: list[Result] = [KINDS[kind](plan) for kind in kinds if kind != JSONL]
    written = [output for one in [*results, *([record] if record else [])] for output in one.outputs()]
    files = [named.entry.file for named in plan.entries if named.entry.file is not None]
    protect(written, inputs=[model, *files], force=plan.force)
    if resume and record:
        record.require_same_settings()
    return results


def _selection(
    classes: Sequence[str], names: Sequence[str], scores: Mapping[str, float], score_thresh: float
) -> Callable[[Detections], Detections]:
    """Returns a choice of the detections of some classes, or of all without names, above the scores of their classes.

    classes: the model's.
    names: of the classes to keep.
    scores: least scores of single classes.
    score_thresh: that of the others.
    """
    least = least_scores(scores, classes, default=score_thresh)
    labels = find_labels(names or classes, classes)
    return lambda found: found[(found.scores >= least[found.labels - 1]) & np.isin(found.labels, labels)]


def find_labels(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Returns the labels of class names. Raises InputError with the nearest names for an unknown one."""
    labels = []
    for name in names:
        if name not in classes:
            near = difflib.get_close_matches(name, classes, n=3, cutoff=0.5) or classes[:LISTED]
            raise InputError(f"class filter: wanted a class of the model (nearest: {', '.join(near)}), got {name!r}")
        labels.append(classes.index(name) + 1)
    return labels


@dataclass
class _Run:
    """Images on their way from where they are found to results.

    plan: the facts of the run.
    results: the kinds that are written, but for `record`.
    record: the lines of the images that are done.
    select: chooses the detections to keep.
    """

    plan: Plan
    results: Sequence[Result]
    record: JsonLines | None
    select: Callable[[Detections], Detections]
    summary: Summary = field(default_factory=Summary)
    skipped: int = 0

    def predict(self, detector: Detector, *, batch_size: int | None, tiling: Tiling | None, resume: bool) -> None:
        """Predicts the images that are not done, and completes all files."""
        classes = Classes(detector.classes, detector.category_ids)
        is_endless = any(named.entry.is_endless for named in self.plan.entries)
        with ExitStack() as stack:
            adds = [stack.enter_context(one.open(classes)) for one in self.results]
            done = self._resume(adds, classes) if resume else set()
            if self.record is not None:  # the last, so that a line says that everything else is written
                adds.append(stack.enter_context(self.record.open(classes)))
            signals = stack.enter_context(StopSignals()) if is_endless else StopSignals()
            stream = detector.predict_sources(self._items(done, signals), batch_size=batch_size, tiling=tiling)
            is_counted = all(not named.entry.is_video for named in self.plan.entries)
            total = len(self.plan.entries) - len(done) if is_counted else None
            logged = log_progress(stream, total=total, compiling=detector.compilations)
            for _ in run_behind(lambda one: self._finish(one, adds), logged):
                pass
        self.skipped += len(stream.skipped)

    def report(self, kinds: Sequence[str]) -> int:
        """Logs what was found and where it is, and returns the exit status."""
        for line in self.summary.lines():
            logger.info(line)
        where = f"in {self.plan.folder}: {', '.join(kinds)}" if kinds else "not saved"
        logger.info("%d images, %s", self.summary.images, where)
        if self.skipped:
            logger.error("%d of %d images could not be read and were skipped", self.skipped, len(self.plan.entries))
            return EXIT_SKIPPED
        return EXIT_OK

    def _resume(self, adds: Sequence[Add], classes: Classes) -> set[Key]:
        """Tells results that are about all images of those that are done, and returns these."""
        assert self.record is not None
        path = self.record.path
        named = {one.entry.name: one for one in self.plan.entries}
        hearing = [add for add, result in zip(adds, self.results, strict=True) if result.replays]
        draws = any(isinstance(result, Pictures) for result in self.results)

        def keeps(key: Key) -> bool:
            entry = named.get(key[0])  # a video that is not drawn to its end is drawn from its beginning
            return key[1] is None or entry is None or not draws or is_drawn(self.plan.folder, entry)

        def replay(key: Key, document: dict[str, Any]) -> None:
            if key[0] in named:
                detections = read_detections(document, classes, f"{path}: {key[0]}")
                found = Found(named[key[0]], key[1], document.get("seconds"), None, detections)
                for add in (*hearing, self.summary.add):
                    add(found)

        done = self.record.resume(keeps, replay=replay)
        logger.info("%s: %d images are done", path, len(done))
        return {key for key in done if key[0] in named}

    def _items(self, done: set[Key], signals: StopSignals) -> Iterator[Item]:
        """Yields the images and frames that are not done, until a signal to stop; unreadable videos are skipped."""
        for named in self.plan.entries:
            if (named.entry.name, None) in done:
                continue
            try:
                for item in named.items():
                    if signals.received is not None:
                        return
                    if (item.name, item.frame) not in done:
                        yield item
            except InputError as error:
                logger.warning("skipped: %s", error)
                self.skipped += 1

    def _finish(self, detections: Detections, adds: Sequence[Add]) -> None:
        item = detections.source
        assert isinstance(item, Item)
        found = Found(item.named, item.frame, item.seconds, item.rate, self.select(detections))
        for add in (*adds, self.summary.add):
            add(found)
