"""Reports on runs, checkpoints and results files: finds or makes the results, then writes the report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindrcnn import paths
from mindrcnn.config.loader import list_settings, load_config
from mindrcnn.config.run import Config
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.ground_truth import load_ground_truth
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.obtain import checkpoint_file, output_folder
from mindrcnn.opening import DEFAULT_RUNTIME, Runtime
from mindrcnn.outputs import protect
from mindrcnn.report.files import PAGE, report_outputs
from mindrcnn.tasks.evaluation import read_split, run_evaluation
from mindrcnn.tasks.report_writing import ReportOptions, Results, Split, make_report, split_of, split_of_annotations
from mindrcnn.tasks.split_evaluator import RESULTS, SplitEvaluator

CONFIG = "config.yaml"  # of a run folder
CHECKPOINTS = ("best.ckpt", "last.ckpt")  # of a run folder, the preferred first

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a report is about.

    source: run folder, checkpoint, exported model, published model's name, or results file.
    others: those to compare it with.
    config_file: configuration of a results file; None is config.yaml in its folder or the one above.
    annotations: COCO file to hold results against, instead of a configuration.
    images: folder of its images.
    overrides: configuration keys to change.
    split: train, val or test.
    """

    source: Path
    others: Sequence[Path] = ()
    config_file: Path | None = None
    annotations: Path | None = None
    images: Path | None = None
    overrides: Sequence[str] = ()
    split: str = "val"


@dataclass(frozen=True, kw_only=True)
class _Located:
    """Results on disk; `config` is None if no configuration is known."""

    results: Path
    name: str
    config: Config | None = None


@dataclass(frozen=True, kw_only=True)
class _Finder:
    """Finds the results of a source, and evaluates a checkpoint to get them."""

    sources: Sources
    runtime: Runtime
    force: bool

    def find(self, source: Path) -> _Located:
        """Returns the results of a run folder, a checkpoint or a file."""
        if paths.is_folder(source):
            return self._of_run(source)
        if source.suffix == ".json":
            return self._of_file(source)
        return self._of_checkpoint(source)

    def _of_run(self, folder: Path) -> _Located:
        suffix = "" if self.sources.split == "val" else f"_{self.sources.split}"
        for results in (folder / f"eval{suffix}" / RESULTS, folder / RESULTS):
            if paths.is_file(results):
                return self._of_file(results)
        for name in CHECKPOINTS:
            if paths.is_file(folder / name):
                return self._of_checkpoint(folder / name)
        raise InputError(
            f"{folder}: wanted a run folder with eval{suffix}/{RESULTS}, {' or '.join(CHECKPOINTS)}, got none of them"
        )

    def _of_file(self, results: Path) -> _Located:
        place = paths.resolve(results)
        around = [folder for folder in (place.parent, place.parent.parent) if paths.is_file(folder / CONFIG)]
        file = self.sources.config_file or next((folder / CONFIG for folder in around), None)
        name = around[0].name if around else place.stem
        config = None if file is None else load_config(file, self.sources.overrides)
        return _Located(results=results, name=name, config=config)

    def _of_checkpoint(self, source: Path) -> _Located:
        file = checkpoint_file(source)
        folder = output_folder(source, file, self.sources.split)
        evaluation = run_evaluation(
            source, self.sources.overrides, folder, split=self.sources.split, runtime=self.runtime, force=self.force
        )
        config = evaluation.config
        return _Located(results=evaluation.folder / RESULTS, name=str(source), config=config)


def write_run_report(
    sources: Sources,
    out: Path | None,
    options: ReportOptions,
    *,
    runtime: Runtime = DEFAULT_RUNTIME,
    force: bool = False,
) -> int:
    """Writes the report of a source into `out`, by default beside its results; returns the exit status.

    sources: what it is about.
    out: folder for the files.
    options: numbers that the user may choose.
    runtime: the back end and device of a model that has to be evaluated.
    force: whether inputs and files of others may be replaced.
    """
    setup_logging()
    finder = _Finder(sources=sources, runtime=runtime, force=force)
    first, *others = (finder.find(one) for one in (sources.source, *sources.others))
    split = _open_split(first, sources)
    folder = out or first.results.parent
    inputs = [one.results for one in (first, *others)]
    if sources.annotations is not None:
        inputs.append(sources.annotations)
    protect(report_outputs(folder), inputs=inputs, force=force)
    names = _distinct([one.name for one in (first, *others)])
    results = [
        Results(name=name, file=one.results, settings={} if one.config is None else list_settings(one.config))
        for name, one in zip(names, (first, *others), strict=True)
    ]
    make_report(split, results, folder, options, force=force)
    logger.info("open %s in a browser", folder / PAGE)
    return EXIT_OK


def _open_split(located: _Located, sources: Sources) -> Split:
    if sources.annotations is not None:
        return split_of_annotations(load_ground_truth(sources.annotations), sources.images)
    if located.config is None:
        raise InputError(
            f"{located.results}: wanted --config with a configuration, or --annotations with a COCO file, to hold "
            f"the results against; there is no {CONFIG} beside them"
        )
    return split_of(SplitEvaluator(config=located.config, dataset=read_split(located.config, sources.split)))


def _distinct(names: Sequence[str]) -> list[str]:
    """Returns the names, with numbers where one occurs again."""
    return [name if name not in names[:place] else f"{name} ({place + 1})" for place, name in enumerate(names)]
