"""Evaluation in two halves, between which another program runs the model (exported/offline.py)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.build.data import build_dataset, build_eval_loader
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.exported.offline import StoredOutputs, input_files, open_offline
from mindrcnn.exported.opening import fill_batch, make_detector
from mindrcnn.image_detector import Detector, Predict
from mindrcnn.outputs import protect
from mindrcnn.tasks.evaluation import print_report
from mindrcnn.tasks.split_evaluator import SplitEvaluator

logger = logging.getLogger(__name__)


def prepare_inputs(file: Path, overrides: Sequence[str], inputs: Path) -> int:
    """Writes the batches of the validation split as files; returns the exit status.

    file: an exported model with fixed shapes.
    overrides: configuration keys to change.
    inputs: a new or empty folder.
    """
    setup_logging()
    config = open_detector(file, _not_run, overrides).config
    dataset = build_dataset(config.data, config.data.val, "data.val")
    if paths.exists(inputs) and not (paths.is_folder(inputs) and paths.is_empty(inputs)):
        raise InputError(f"--inputs: wanted a new or empty folder, got {inputs}")
    paths.make_folder(inputs)
    for number, batch in enumerate(build_eval_loader(config, dataset.records)):
        count = len(batch.sources)
        images, sizes = fill_batch(batch.images[:count], batch.image_sizes[:count], config.eval.batch_size)
        for path, content in zip(input_files(inputs, number), (images.tobytes(), sizes.tobytes()), strict=True):
            with replacing(path) as temporary:
                temporary.write_bytes(content)
    logger.info("wrote %s: %d images in batches of %d", inputs, len(dataset.records), config.eval.batch_size)
    return EXIT_OK


def open_detector(file: Path, predict: Predict, overrides: Sequence[str]) -> Detector:
    """Returns the detector of a model with `predict` in its place. Raises InputError for another batch than its own."""
    detector = make_detector(open_offline(file, predict), overrides, file)
    wanted, got = detector.batch, detector.config.eval.batch_size
    if got != wanted:
        raise InputError(f"eval.batch_size: wanted {wanted}, which {file} is fixed to, got {got}")
    return detector


def _not_run(*_: object) -> tuple[Any, ...]:
    raise NotImplementedError("another program runs the model")


def evaluate_outputs(
    file: Path, overrides: Sequence[str], *, inputs: Path, outputs: Path, out: Path, force: bool = False
) -> int:
    """Scores what another program predicted and prints the COCO tables; returns the exit status.

    file: the exported model.
    overrides: those that the inputs were prepared with.
    inputs: the folder of the inputs.
    outputs: the folder of the outputs.
    out: folder for results, metrics and pictures.
    force: whether inputs and files of others may be replaced.
    """
    setup_logging()
    detector = open_detector(file, StoredOutputs(inputs=inputs, outputs=outputs), overrides)
    dataset = build_dataset(detector.config.data, detector.config.data.val, "data.val")
    split = SplitEvaluator(config=detector.config, dataset=dataset)
    protect(split.all_outputs(out), inputs=[file, dataset.annotation_file, *split.drawn], force=force)
    print_report(split.run(detector, out), out)
    return EXIT_OK
