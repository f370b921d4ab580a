"""A detector from a checkpoint alone, and its use on numpy batches."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mindrcnn.build.detector import build_detector
from mindrcnn.build.device import set_device
from mindrcnn.config.loader import parse_config
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint, load_into
from mindrcnn.models.detector import Predictor, TwoStageDetector


def open_checkpoint(file: Path, overrides: Sequence[str]) -> tuple[Checkpoint, Config]:
    """A checkpoint and its configuration with the overrides in it. InputError for a bad file or override."""
    checkpoint = load_checkpoint(file)
    config = parse_config(checkpoint.info.config_yaml, f"{file} (its configuration)", overrides)
    # The checkpoint decides what a label means; the configuration may have left the classes to the training data.
    return checkpoint, replace(config, data=replace(config.data, classes=checkpoint.info.classes))


def restore_detector(checkpoint: Checkpoint, config: Config) -> TwoStageDetector:
    """Selects the device and builds the detector. InputError where an override changes what the parameters fit."""
    set_device(config.device, config.train.seed)
    detector = build_detector(config.model, len(checkpoint.info.classes))
    load_into(detector, checkpoint)
    return detector


class NumpyPredictor:
    """Calls a detector's predict on numpy arrays, as evaluation and inference want it."""

    def __init__(self, *, detector: TwoStageDetector) -> None:
        self.predictor = Predictor(detector=detector)

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray, ...]:
        """images B,3,H,W uint8; image_sizes B,2 int32. Returns what TwoStageDetector.predict does, as arrays."""
        # The detector is shared with training, which sets the flag the other way.
        self.predictor.set_train(False)
        outputs = self.predictor(Tensor.from_numpy(images), Tensor.from_numpy(image_sizes))
        return tuple(output.asnumpy() for output in outputs)
