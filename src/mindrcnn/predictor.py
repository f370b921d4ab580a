"""The detector of a checkpoint, which MindSpore computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from mindrcnn.build.device import Mode, exclusive_device
from mindrcnn.build.trained_model import restore_detector
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint
from mindrcnn.engine.precision import use_float16
from mindrcnn.image_detector import Detector, Predict
from mindrcnn.models.detector import Predictor, TwoStageDetector


def checkpoint_detector(checkpoint: Checkpoint, config: Config) -> Detector:
    """Builds the detector of a checkpoint. Raises InputError if an override makes its parameters no longer fit."""
    return network_detector(
        network=restore_detector(checkpoint, config),
        config=config,
        classes=checkpoint.info.classes,
        category_ids=checkpoint.info.category_ids,
    )


def network_detector(
    *, network: TwoStageDetector, config: Config, classes: Sequence[str], category_ids: Sequence[int]
) -> Detector:
    """Returns a detector that calls a network; concurrent calls take turns."""
    predict = InTurn(_build_predict(network, config.eval.precision), config.device.mode)
    return Detector(predict=predict, config=config, classes=classes, category_ids=category_ids)


def _build_predict(network: TwoStageDetector, precision: Literal["float32", "float16"]) -> Predict:
    if precision == "float16":
        return NumpyPredictor(detector=network, convert=use_float16)
    return NumpyPredictor(detector=network)


class NumpyPredictor:
    """Calls a detector's predict on numpy arrays.

    detector: the network.
    convert: what the cell that predicts is passed through before it is called.
    """

    def __init__(self, *, detector: TwoStageDetector, convert: Callable[[nn.Cell], nn.Cell] | None = None) -> None:
        predictor = Predictor(detector=detector)
        self.predictor: nn.Cell = predictor if convert is None else convert(predictor)

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        """Returns the outputs of TwoStageDetector.predict as arrays.

        images: (B, 3, H, W) uint8.
        image_sizes: (B, 2) int32.
        """
        # The detector is shared with training, which sets the flag the other way.
        self.predictor.set_train(False)
        outputs = self.predictor(Tensor.from_numpy(images), Tensor.from_numpy(image_sizes))
        return tuple(output.asnumpy() for output in outputs)


class InTurn:
    """Calls a predictor while no other thread uses the device, in one execution mode."""

    def __init__(self, predict: Predict, mode: Mode) -> None:
        self.predict = predict
        self.mode = mode

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        """Takes the arguments and returns the result of the predictor."""
        with exclusive_device(self.mode):
            return self.predict(images, image_sizes)
