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
from mindrcnn.models.stages import CandidateStage, MaskStage
from mindrcnn.test_time.fusion import WeightedBoxFusion
from mindrcnn.test_time.staged import OnlyView, StagedPredictor, SuppressedAgain
from mindrcnn.test_time.suppression import Suppression
from mindrcnn.test_time.views import View


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
    plain = len(config.eval.views) == 1 and config.eval.soft_nms == "none" and not config.eval.agnostic_nms
    predict = _build_predict(network, config.eval.precision) if plain else build_staged(network, config)
    predict = InTurn(predict, config.device.mode)
    return Detector(predict=predict, config=config, classes=classes, category_ids=category_ids)


def _build_predict(network: TwoStageDetector, precision: Literal["float32", "float16"]) -> Predict:
    if precision == "float16":
        return NumpyPredictor(detector=network, convert=use_float16)
    return NumpyPredictor(detector=network)


def build_staged(network: TwoStageDetector, config: Config) -> StagedPredictor:
    """Returns the predictor of several views, or with suppression other than that of the network's graph."""
    box, wanted = config.model.box, config.eval
    suppress = Suppression(
        method="hard" if wanted.soft_nms == "none" else wanted.soft_nms,
        iou_thresh=box.nms_thresh,
        sigma=wanted.soft_nms_sigma,
        class_agnostic=wanted.agnostic_nms,
        score_thresh=box.score_thresh,
        limit=box.detections_per_image,
    )
    fuse = WeightedBoxFusion(iou_thresh=box.nms_thresh, score_thresh=box.score_thresh, limit=box.detections_per_image)
    merge = OnlyView() if len(wanted.views) == 1 else fuse if wanted.tta_merge == "wbf" else SuppressedAgain(suppress)
    return StagedPredictor(
        stages=NumpyStages(detector=network, convert=use_float16 if wanted.precision == "float16" else None),
        views=[View(scale=scale, flip=flip) for scale, flip in wanted.views],
        suppress=suppress,
        merge=merge,
        slots=box.detections_per_image,
    )


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


class NumpyStages:
    """Calls the two stages of a detector on numpy arrays; the features stay on the device between them.

    detector: the network.
    convert: what the cells are passed through before they are called.
    """

    def __init__(self, *, detector: TwoStageDetector, convert: Callable[[nn.Cell], nn.Cell] | None = None) -> None:
        convert = convert or (lambda cell: cell)
        self.first = convert(CandidateStage(detector=detector))
        self.second = None if detector.mask is None else convert(MaskStage(mask=detector.mask))

    def candidates(
        self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]
    ) -> tuple[tuple[Tensor, ...], tuple[NDArray[Any], ...]]:
        """Returns the features P2..P6, and boxes, scores and labels as arrays, see CandidateStage."""
        self.first.set_train(False)
        boxes, scores, labels, *features = self.first(Tensor.from_numpy(images), Tensor.from_numpy(image_sizes))
        return tuple(features), (boxes.asnumpy(), scores.asnumpy(), labels.asnumpy())

    def masks(self, features: tuple[Tensor, ...], detections: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        """Returns masks and mask scores, see MaskStage; nothing for a detector of boxes."""
        if self.second is None:
            return ()
        self.second.set_train(False)
        outputs = self.second(*(Tensor.from_numpy(np.ascontiguousarray(one)) for one in detections), *features)
        return tuple(output.asnumpy() for output in outputs)
