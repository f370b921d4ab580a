"""Inference on image files: one JSON, and the images with what was found drawn on them."""

import difflib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn.build.trained_model import open_checkpoint
from mindrcnn.concurrency import run_behind
from mindrcnn.config.run import Config
from mindrcnn.detections import Detections
from mindrcnn.drawing.pictures import picture_names
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import find_images
from mindrcnn.evaluation.json_files import write_json
from mindrcnn.exit_status import EXIT_OK, EXIT_SKIPPED
from mindrcnn.predictor import Detector
from mindrcnn.tasks.progress import with_progress

logger = logging.getLogger(__name__)

LISTED = 10  # classes that a message lists where none has a similar name


def infer(
    checkpoint_file: Path,
    sources: Sequence[str],
    overrides: Sequence[str],
    *,
    out: Path,
    score_thresh: float,
    class_names: Sequence[str],
) -> int:
    """Predicts the images that `sources` name; writes predictions.json and drawn pictures into `out`."""
    setup_logging()
    paths = [path for source in sources for path in find_images(source)]
    names = picture_names(paths)
    require_other_files(paths, [out / name for name in names.values()])
    checkpoint, config = open_checkpoint(checkpoint_file, overrides)
    labels = labels_of(class_names or checkpoint.info.classes, checkpoint.info.classes)
    detector = Detector.of_checkpoint(checkpoint, with_lower_score_thresh(config, score_thresh))
    stream = detector.predict_many(paths)

    def finish(found: Detections) -> dict[str, Any]:
        assert found.path is not None
        chosen = found[(found.scores >= score_thresh) & np.isin(found.labels, labels)]
        chosen.draw(out / names[found.path])
        return chosen.to_dict()

    documents = list(run_behind(finish, with_progress(stream, total=len(paths))))
    write_json(out / "predictions.json", {"images": documents})
    logger.info("%d images with predictions.json in %s", len(documents), out)
    if stream.skipped:
        logger.error("%d of %d images could not be read and were skipped", len(stream.skipped), len(paths))
        return EXIT_SKIPPED
    return EXIT_OK


def require_other_files(paths: Sequence[Path], pictures: Sequence[Path]) -> None:
    """InputError where a drawn picture would take the place of an image that is to be predicted."""
    sources = {path.resolve() for path in paths}
    for picture in pictures:
        if picture.resolve() in sources:
            raise InputError(f"--out: wanted a folder other than the images', got one where {picture} would be lost")


def labels_of(names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Labels of class names; InputError with the nearest names for one that does not exist."""
    labels = []
    for name in names:
        if name not in classes:
            near = difflib.get_close_matches(name, classes, n=3, cutoff=0.5) or classes[:LISTED]
            raise InputError(f"class filter: wanted a class of the model (nearest: {', '.join(near)}), got {name!r}")
        labels.append(classes.index(name) + 1)
    return labels


def with_lower_score_thresh(config: Config, score_thresh: float) -> Config:
    """Lets the detector keep what is asked for where model.box.score_thresh would drop it before."""
    box = config.model.box
    box = replace(box, score_thresh=min(box.score_thresh, score_thresh))
    return replace(config, model=replace(config.model, box=box))
