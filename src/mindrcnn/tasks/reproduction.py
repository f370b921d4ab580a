"""Measurement of a published model's AP on COCO val2017, and its comparison with what was published."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_FAILED, EXIT_OK
from mindrcnn.opening import Runtime
from mindrcnn.outputs import COMMENT, Output, protect
from mindrcnn.published.page import select
from mindrcnn.published.table import PublishedModel, find_published, require_known
from mindrcnn.tasks.evaluation import run_evaluation
from mindrcnn.tasks.processes import software
from mindrcnn.tasks.split_evaluator import all_metrics

logger = logging.getLogger(__name__)

RESULTS = "results.jsonl"
TOLERANCE = 0.1  # AP in percent; sources round theirs to one decimal
VAL2017 = 5000  # images
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Comparison:
    """A measured AP beside the published one, both in percent; either may be missing."""

    measured: float | None
    published: float | None

    @property
    def passed(self) -> bool:
        """Whether what was published has been measured, too, within the tolerance."""
        if self.published is None:
            return True
        return self.measured is not None and abs(self.measured - self.published) <= TOLERANCE + _ROUNDING

    def __str__(self) -> str:
        texts = ("-" if value is None else f"{value:.2f}" for value in (self.measured, self.published))
        return "{} (published {})".format(*texts)


def choose_models(names: Sequence[str], *, everything: bool) -> list[PublishedModel]:
    """Returns the models to measure. Raises InputError for an unknown name and a model without a published AP."""
    if everything:
        return [model for model in select(names, "detector") if is_measurable(model)]
    models = []
    for name in names:
        model = find_published(name)
        if model is None:
            require_known(name)
            raise InputError(f"{name}: wanted the name of a published model; `mindrcnn models` lists them")
        if not is_measurable(model):
            raise InputError(f"{name}: wanted a detector with a published AP, got one without")
        models.append(model)
    return models


def is_measurable(model: PublishedModel) -> bool:
    """Tells whether there is an AP to compare with."""
    return model.kind == "detector" and (model.box_ap, model.mask_ap) != (None, None)


def reproduce(
    models: Sequence[PublishedModel], overrides: Sequence[str], *, out: Path, runtime: Runtime, force: bool = False
) -> int:
    """Measures each model and appends a row to results.jsonl in `out`; returns EXIT_FAILED unless all passed.

    models: those to measure.
    overrides: configuration keys to change, such as data.root.
    out: folder for the rows and, in a folder for each model, the files of its evaluation.
    runtime: the device.
    force: whether files of others may be replaced.
    """
    setup_logging()
    protect([Output(out / RESULTS)], force=force)
    passed = True
    for model in models:
        try:
            row = measure(model, overrides, out=out, runtime=runtime, force=force)
        except InputError as error:
            if len(models) == 1:
                raise
            logger.error("%s: %s", model.name, error)
            row = {"name": model.name, "passed": False, "error": str(error)}
        append_row(out / RESULTS, row)
        passed = passed and row["passed"]
    logger.info("wrote %d rows to %s", len(models), out / RESULTS)
    return EXIT_OK if passed else EXIT_FAILED


def measure(
    model: PublishedModel, overrides: Sequence[str], *, out: Path, runtime: Runtime, force: bool
) -> dict[str, Any]:
    """Evaluates one model; returns its row. The arguments are those of `reproduce`."""
    begun = time.monotonic()
    evaluation = run_evaluation(Path(model.name), list(overrides), out / model.name, runtime=runtime, force=force)
    box, mask = compare(model, all_metrics(evaluation.metrics))
    passed = box.passed and mask.passed
    logger.info("%s: box AP %s, mask AP %s: %s", model.name, box, mask, "passed" if passed else "FAILED")
    images = max(metrics.images for metrics in evaluation.metrics)
    if images != VAL2017:
        logger.warning("%d images were evaluated: COCO val2017 has %d", images, VAL2017)
    return {
        **{"name": model.name, "passed": passed},
        **{"box_ap": box.measured, "box_ap_published": box.published},
        **{"mask_ap": mask.measured, "mask_ap_published": mask.published},
        **{"images": images, "seconds": round(time.monotonic() - begun, 1), "device": evaluation.device},
        **{"software": software() | {"python": platform.python_version(), "platform": platform.platform()}},
        **{"url": model.url, "overrides": list(overrides)},
    }


def compare(model: PublishedModel, metrics: Mapping[str, float]) -> tuple[Comparison, Comparison]:
    """Returns the comparisons for boxes and masks, given COCO's numbers by name (0..1, -1 for none)."""
    return (
        Comparison(_percent(metrics.get("bbox_AP")), model.box_ap),
        Comparison(_percent(metrics.get("segm_AP")), model.mask_ap),
    )


def _percent(value: float | None) -> float | None:
    return None if value is None or value < 0 else 100 * value


def append_row(file: Path, row: Mapping[str, Any]) -> None:
    """Appends a line of JSON. Raises InputError if it cannot be written; the file stays as it was then."""
    before = paths.read_text(file) if paths.exists(file) else ""
    write_text(file, before + json.dumps(COMMENT | dict(row)) + "\n")
