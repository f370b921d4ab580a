"""Inference on image files: one JSON file, and the images with their detections drawn."""

import difflib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn.concurrency import run_behind
from mindrcnn.detections import Detections
from mindrcnn.drawing.pictures import PictureTooLarge, picture_names
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import find_images
from mindrcnn.evaluation.json_files import write_json
from mindrcnn.evaluation.zoo_predictions import is_zoo_document, zoo_document
from mindrcnn.exit_status import EXIT_OK, EXIT_SKIPPED
from mindrcnn.obtain import checkpoint_file
from mindrcnn.opening import DEFAULT_RUNTIME, Runtime, open_detector
from mindrcnn.outputs import COMMENT, Output, is_marked, protect
from mindrcnn.report.thresholds import least_scores, read_scores
from mindrcnn.tasks.progress import log_progress

logger = logging.getLogger(__name__)

PREDICTIONS = "predictions.json"
LISTED = 10  # classes that a message lists if none has a similar name


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
    zoo_format: bool = False,
    force: bool = False,
    score_file: Path | None = None,
) -> int:
    """Predicts images; writes predictions.json and drawn pictures into `out`, and returns the exit status.

    file: the checkpoint or exported file, or a published model's name.
    sources: files, folders and globs of images.
    overrides: configuration keys to change.
    out: folder to write.
    score_thresh: least score of a detection.
    class_names: classes to keep; empty keeps all.
    batch_size: images per forward pass; None is 1, or the number that an exported model is fixed to.
    runtime: the back end and device.
    zoo_format: whether predictions.json is a map from path to predictions, as the model zoo writes it.
    force: whether images and files of others may be replaced.
    score_file: least scores of single classes (report/thresholds.py), instead of `score_thresh`.
    """
    setup_logging()
    file = checkpoint_file(file)
    images = [image for source in sources for image in find_images(source)]
    names = picture_names(images)
    is_ours = is_zoo_document if zoo_format else is_marked
    outputs = [Output(out / PREDICTIONS, is_ours), *(Output(out / name) for name in names.values())]
    protect(outputs, inputs=[file, *images], force=force)
    scores = {} if score_file is None else read_scores(score_file)
    detector = open_detector(file, overrides, runtime=runtime, lowest_score=min(score_thresh, *scores.values(), 1.0))
    least = least_scores(scores, detector.classes, default=score_thresh)
    labels = find_labels(class_names or detector.classes, detector.classes)
    stream = detector.predict_many(images, batch_size=batch_size)

    def finish(found: Detections) -> dict[str, Any]:
        assert found.path is not None
        selected = found[(found.scores >= least[found.labels - 1]) & np.isin(found.labels, labels)]
        try:
            selected.draw(out / names[found.path])
        except PictureTooLarge as error:
            logger.warning("%s; its detections are in predictions.json alone", error)
        return selected.to_dict()

    documents = list(run_behind(finish, log_progress(stream, total=len(images))))
    write_json(out / PREDICTIONS, zoo_document(documents) if zoo_format else COMMENT | {"images": documents})
    logger.info("%d images with predictions.json in %s", len(documents), out)
    if stream.skipped:
        logger.error("%d of %d images could not be read and were skipped", len(stream.skipped), len(images))
        return EXIT_SKIPPED
    return EXIT_OK


def find_labels(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Returns the labels of class names. Raises InputError with the nearest names for an unknown one."""
    labels = []
    for name in names:
        if name not in classes:
            near = difflib.get_close_matches(name, classes, n=3, cutoff=0.5) or classes[:LISTED]
            raise InputError(f"class filter: wanted a class of the model (nearest: {', '.join(near)}), got {name!r}")
        labels.append(classes.index(name) + 1)
    return labels
