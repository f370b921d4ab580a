"""Inference on image files: one JSON, and the images with what was found drawn on them."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.build.data import build_input_format
from mindrcnn.build.trained_model import NumpyPredictor, open_checkpoint, restore_detector
from mindrcnn.concurrency import prefetch, run_behind
from mindrcnn.config.run import Config
from mindrcnn.data.batching.batch import EvalBatch, evaluation_batch
from mindrcnn.data.batching.buckets import assign_buckets
from mindrcnn.data.image_io import read_image
from mindrcnn.data.record import Record
from mindrcnn.drawing.objects import draw_objects, predicted_objects
from mindrcnn.drawing.pictures import picture_names, write_picture
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.inference_json import Classes, image_document, keep, labels_of
from mindrcnn.evaluation.input_images import ReadableImages, find_images
from mindrcnn.evaluation.json_files import write_json
from mindrcnn.evaluation.predict import ImageResult, predict_images, with_progress
from mindrcnn.exit_status import EXIT_OK, EXIT_SKIPPED

logger = logging.getLogger(__name__)


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
    classes = Classes(names=checkpoint.info.classes, category_ids=checkpoint.info.category_ids)
    labels = labels_of(class_names, classes) if class_names else None
    images = ReadableImages(paths, read=read_image)
    predictions = predict_images(
        prefetch(single_batches(images, config)),
        NumpyPredictor(detector=restore_detector(checkpoint, with_lower_score_thresh(config, score_thresh))),
        mask_thresh=config.eval.mask_thresh,
    )

    def finish(result: ImageResult) -> dict[str, Any]:
        chosen = keep(result, score_thresh=score_thresh, labels=labels)
        picture = draw_objects(read_image(result.record.path), predicted_objects(chosen), classes.names)
        write_picture(out / names[result.record.path], picture)
        return image_document(chosen, classes)

    documents = list(run_behind(finish, with_progress(predictions, total=len(paths))))
    write_json(out / "predictions.json", {"images": documents})
    logger.info("%d images with predictions.json in %s", len(documents), out)
    if images.skipped:
        logger.error("%d of %d images could not be read and were skipped", len(images.skipped), len(paths))
        return EXIT_SKIPPED
    return EXIT_OK


def require_other_files(paths: Sequence[Path], pictures: Sequence[Path]) -> None:
    """InputError where a drawn picture would take the place of an image that is to be predicted."""
    sources = {path.resolve() for path in paths}
    for picture in pictures:
        if picture.resolve() in sources:
            raise InputError(f"--out: wanted a folder other than the images', got one where {picture} would be lost")


def with_lower_score_thresh(config: Config, score_thresh: float) -> Config:
    """Lets the detector keep what is asked for where model.box.score_thresh would drop it before."""
    box = config.model.box
    box = replace(box, score_thresh=min(box.score_thresh, score_thresh))
    return replace(config, model=replace(config.model, box=box))


def single_batches(images: ReadableImages, config: Config) -> Iterator[EvalBatch]:
    """Batches in the order of the files, so that results are, each of the bucket that fits its image."""
    input_format = build_input_format(config)
    for number, (path, image) in enumerate(images):
        height, width = image.shape[:2]
        bucket = assign_buckets([(height, width)], buckets=input_format.buckets, short_side=input_format.short_side)
        yield evaluation_batch(
            [image],
            [bare_record(number, path, image)],
            bucket=input_format.buckets[int(bucket[0])],
            batch_size=1,
            input_format=input_format,
        )


def bare_record(number: int, path: Path, image: NDArray[np.uint8]) -> Record:
    """A record of an image without annotations."""
    return Record(
        image_id=number,
        path=path,
        height=image.shape[0],
        width=image.shape[1],
        boxes=np.zeros((0, 4), np.float32),
        labels=np.zeros(0, np.int32),
        crowd=np.zeros(0, bool),
        segmentations=(),
    )
