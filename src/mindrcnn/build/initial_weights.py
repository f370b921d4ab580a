"""Initial weights of training: a backbone's, or those of a checkpoint with other classes or another mask branch."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from mindspore import Parameter, Tensor, nn

from mindrcnn.build.detector import build_detector
from mindrcnn.config.model import BackboneConfig
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint, load_into
from mindrcnn.engine.step.param_groups import freeze
from mindrcnn.extensions import BACKBONES
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.ops.losses import SampleCount, at_least_one
from mindrcnn.weights.backbone import load_backbone
from mindrcnn.weights.class_axes import ClassAxis, axes_of
from mindrcnn.weights.download import fetch_weights

logger = logging.getLogger(__name__)

Parameters = Mapping[str, Parameter]

# Prefixes of parameter names: of a mask branch, and of the parts that two kinds of it share or not.
MASK_BRANCH = "mask."
MASK_HEAD, SCORED_MASK_HEAD = "mask.head.", "mask.mask.head."  # the same layers in Mask R-CNN and in Mask Scoring R-CNN
IOU_HEAD = "mask.iou_head."
_LISTED = 5  # class names that a message lists


def build_initialised_detector(
    config: Config,
    classes: Sequence[str],
    resumed: Checkpoint | None = None,
    sample_count: SampleCount = at_least_one,
) -> TwoStageDetector:
    """Returns the detector with the weights that training starts or continues from; train.freeze is applied."""
    detector = build_detector(config.model, len(classes), sample_count=sample_count)
    if resumed is not None:
        load_into(detector, resumed)
    elif config.train.init_checkpoint:
        load_initial(detector, load_checkpoint(Path(config.train.init_checkpoint)), classes)
    else:
        load_backbone_weights(detector.backbone, config.model.backbone)
    frozen = freeze(detector, config.train.freeze)
    if frozen:
        logger.info("%d parameters are frozen by train.freeze", len(frozen))
    return detector


def load_backbone_weights(backbone: nn.Cell, config: BackboneConfig) -> None:
    """Loads `model.backbone.weights`, if any; a registered backbone loads what it wants itself."""
    if config.name in BACKBONES:
        load_weights = BACKBONES[config.name].load_weights
        if load_weights is not None:
            load_weights(backbone, config)
        return
    if not config.weights:
        logger.info("model.backbone.weights is empty: the backbone starts from random weights")
        return
    logger.info("%s", load_backbone(backbone, fetch_weights(config.weights, sha256=config.weights_sha256)))


def load_initial(detector: TwoStageDetector, checkpoint: Checkpoint, classes: Sequence[str]) -> None:
    """Loads a checkpoint where it fits; the log names everything that is re-initialised.

    With other classes, or the same in another order, the layers whose outputs are classes keep their fresh values. So
    does the mask branch where the checkpoint's is of another type, or missing; Mask and Mask Scoring R-CNN share their
    mask head. Raises InputError, with the detector untouched, where anything else differs.
    """
    own = {parameter.name: parameter for parameter in detector.get_parameters()}
    given = with_own_mask_head(checkpoint.parameters, own)
    missing = part_without_counterpart(own, given)
    if tuple(classes) != checkpoint.info.classes:
        given = {**given, **fresh_class_outputs(own, given, len(checkpoint.info.classes), len(classes))}
    load_into(detector, replace(checkpoint, parameters=given), except_part=missing)
    report(checkpoint, own, given, classes, missing)


def with_own_mask_head(given: Parameters, own: Parameters) -> dict[str, Parameter]:
    """Returns the checkpoint's parameters, its mask head under the name that it has in this model."""
    here, there = (SCORED_MASK_HEAD, MASK_HEAD) if _has(own, SCORED_MASK_HEAD) else (MASK_HEAD, SCORED_MASK_HEAD)
    renamed = {}
    for name, value in given.items():
        renamed[here + name.removeprefix(there) if name.startswith(there) else name] = value
    return renamed


def part_without_counterpart(own: Parameters, given: Parameters) -> str | None:
    """Returns the name prefix of the part that the checkpoint lacks: the mask branch, its IoU head, or None."""
    ours = {name for name in own if name.startswith(MASK_BRANCH)}
    if ours and not ours & given.keys():
        return MASK_BRANCH
    return IOU_HEAD if ours and _has(own, IOU_HEAD) != _has(given, IOU_HEAD) else None


def fresh_class_outputs(own: Parameters, given: Parameters, old: int, new: int) -> dict[str, Parameter]:
    """Returns the initial parameters with a class axis, from a model of `old` classes for one of `new`.

    A layer whose outputs are classes is this model's fresh one, background included. PointRend's layers that read class
    predictions beside features keep the columns of the features.
    """
    fresh = {}
    for name, value in given.items():
        axes = axes_of(name)
        if name not in own or not axes:
            continue
        if all(axis.trailing for axis in axes):
            fresh[name] = _fresh_columns(own[name], value, axes[0], old, new)
        else:
            fresh[name] = own[name]
    return fresh


def _fresh_columns(own: Parameter, given: Parameter, axis: ClassAxis, old: int, new: int) -> Parameter:
    """Returns `given` with the class columns, the last, of `own`; `given` unchanged where the others do not fit."""
    features = own.shape[axis.axis] - new
    if given.shape[axis.axis] - old != features or given.shape[0] != own.shape[0]:
        return given
    kept, _ = np.split(given.asnumpy(), [features], axis=axis.axis)
    _, columns = np.split(own.asnumpy(), [features], axis=axis.axis)
    value = np.ascontiguousarray(np.concatenate((kept, columns), axis=axis.axis))
    return Parameter(Tensor.from_numpy(value), name=given.name)


def report(
    checkpoint: Checkpoint, own: Parameters, given: Parameters, classes: Sequence[str], missing: str | None
) -> None:
    """Logs what of the model did not come from the checkpoint."""
    logger.info("starting from %s", checkpoint.path)
    if missing is not None and _has(own, missing):
        part = "mask branch of this type" if missing == MASK_BRANCH else "head for the IoU of masks"
        logger.info("it has no %s: %s* is re-initialised", part, missing)
    if tuple(classes) != checkpoint.info.classes:
        names = [name for name in own if name in given and axes_of(name) and not (missing and name.startswith(missing))]
        logger.info(
            "it has %s, this run %s: these parameters are re-initialised",
            _named(checkpoint.info.classes),
            _named(classes),
        )
        for name in names:
            part = "the columns of the classes in " if all(axis.trailing for axis in axes_of(name)) else ""
            logger.info("  %s%s %s", part, name, tuple(own[name].shape))


def _named(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - _LISTED} more" if len(classes) > _LISTED else ""
    return f"{len(classes)} classes ({', '.join(classes[:_LISTED])}{more})"


def _has(parameters: Parameters, part: str) -> bool:
    return any(name.startswith(part) for name in parameters)
