"""Initial weights of a run: a backbone's, or those of a checkpoint with other classes or another mask branch."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from mindspore import Parameter, Tensor, nn

from mindrcnn import paths
from mindrcnn.build.detector import build_detector
from mindrcnn.config.model import BackboneConfig
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint, load_into
from mindrcnn.engine.step.param_groups import freeze
from mindrcnn.extensions import BACKBONES
from mindrcnn.messages import shorten
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.ops.losses import SampleCount, at_least_one
from mindrcnn.weights.backbone import load_backbone
from mindrcnn.weights.class_axes import ClassAxis, axes_of, serves_all_classes
from mindrcnn.weights.download import fetch_backbone

logger = logging.getLogger(__name__)

Parameters = Mapping[str, Parameter]

# Prefixes of the parameters of the mask branch and of parts that some of its types share.
MASK_BRANCH = "mask."
MASK_HEAD, SCORED_MASK_HEAD = "mask.head.", "mask.mask.head."  # the same layers in Mask R-CNN and Mask Scoring R-CNN
IOU_HEAD = "mask.iou_head."
_CLASSES_SHOWN = 5  # in a log line


def build_initialised_detector(
    config: Config,
    classes: Sequence[str],
    resumed: Checkpoint | None = None,
    sample_count: SampleCount = at_least_one,
) -> TwoStageDetector:
    """Builds the detector with the weights that training starts or continues from, and freezes parameters.

    config: the model, its initial weights and the parameters to freeze.
    classes: names of the classes, without the background.
    resumed: the checkpoint to continue from, if any.
    sample_count: counts the samples that losses are divided by.
    """
    trains_mask = config.train.mask_branch
    detector = build_detector(config.model, len(classes), sample_count=sample_count, train_mask=trains_mask)
    if resumed is not None:
        load_into(detector, resumed)
    elif config.train.init_checkpoint:
        load_initial(detector, load_checkpoint(paths.expand(config.train.init_checkpoint)), classes)
    else:
        load_backbone_weights(detector.backbone, config.model.backbone)
    if not trains_mask:
        freeze(detector, (MASK_BRANCH,))
        logger.info("train.mask_branch is false: the mask branch stays as it is")
    frozen = freeze(detector, config.train.freeze)
    if frozen:
        logger.info("train.freeze freezes %d parameters", len(frozen))
    return detector


def load_backbone_weights(backbone: nn.Cell, config: BackboneConfig) -> None:
    """Loads `model.backbone.weights`, if any; a registered backbone has its own loader."""
    if config.name in BACKBONES:
        load_weights = BACKBONES[config.name].load_weights
        if load_weights is not None:
            load_weights(backbone, config)
        return
    if not config.weights:
        logger.info("model.backbone.weights is empty: the backbone starts from random weights")
        if config.norm == "frozen" or config.frozen_stages:
            logger.warning(
                "random weights with model.backbone.norm=%s, frozen_stages=%d: features grow from block to block, and "
                "training may diverge at once; give model.backbone.weights, or set norm=batch and frozen_stages=0",
                config.norm, config.frozen_stages,
            )  # fmt: skip
        return
    logger.info("%s", load_backbone(backbone, fetch_backbone(config.weights, sha256=config.weights_sha256)))


def load_initial(detector: TwoStageDetector, checkpoint: Checkpoint, classes: Sequence[str]) -> None:
    """Loads the parts of a checkpoint that fit; the log names the parameters that keep their initial values.

    If the classes differ, in names or order, the class outputs keep their initial values. So does the mask branch if
    the checkpoint has none or one of another type; Mask R-CNN and Mask Scoring R-CNN share their mask head. A detector
    without a mask branch leaves out the checkpoint's.
    Raises InputError, with the detector untouched, if anything else differs.
    """
    own = {parameter.name: parameter for parameter in detector.get_parameters()}
    given = rename_mask_head(checkpoint.parameters, own)
    if _has(given, MASK_BRANCH) and not _has(own, MASK_BRANCH):
        logger.info("this model has no mask branch: that of %s is left out", checkpoint.path)
        given = {name: value for name, value in given.items() if not name.startswith(MASK_BRANCH)}
    fresh_part = find_fresh_part(own, given)
    if tuple(classes) != checkpoint.info.classes:
        given = {**given, **fresh_class_outputs(own, given, len(checkpoint.info.classes), len(classes))}
    load_into(detector, replace(checkpoint, parameters=given), except_part=fresh_part)
    log_fresh_parameters(checkpoint, own, given, classes, fresh_part)


def rename_mask_head(given: Parameters, own: Parameters) -> dict[str, Parameter]:
    """Returns the checkpoint's parameters, with its mask head under the name that it has in our model."""
    ours, theirs = (SCORED_MASK_HEAD, MASK_HEAD) if _has(own, SCORED_MASK_HEAD) else (MASK_HEAD, SCORED_MASK_HEAD)
    renamed = {}
    for name, value in given.items():
        renamed[ours + name.removeprefix(theirs) if name.startswith(theirs) else name] = value
    return renamed


def find_fresh_part(own: Parameters, given: Parameters) -> str | None:
    """Returns the prefix of the part that the checkpoint lacks: the mask branch, its IoU head, or None."""
    ours = {name for name in own if name.startswith(MASK_BRANCH)}
    if ours and not ours & given.keys():
        return MASK_BRANCH
    return IOU_HEAD if ours and _has(own, IOU_HEAD) != _has(given, IOU_HEAD) else None


def fresh_class_outputs(own: Parameters, given: Parameters, old: int, new: int) -> dict[str, Parameter]:
    """Returns the initial values of the parameters with a class axis when the classes differ.

    A layer that predicts classes keeps our own initial values, background included. PointRend's layers that read class
    predictions along with features take the columns of the features from the checkpoint.

    own: our parameters with their initial values.
    given: the checkpoint's parameters.
    old: number of classes of the checkpoint.
    new: number of our classes.
    """
    fresh = {}
    for name, value in given.items():
        axes = axes_of(name)
        if name not in own or not axes or serves_all_classes(name, own):
            continue
        if all(axis.trailing for axis in axes):
            axis, *_ = axes
            fresh[name] = _fresh_columns(own[name], value, axis, old, new)
        else:
            fresh[name] = own[name]
    return fresh


def _fresh_columns(own: Parameter, given: Parameter, axis: ClassAxis, old: int, new: int) -> Parameter:
    """Replaces the last columns, those of the classes, by `own`; returns `given` if the other columns do not fit."""
    features = own.shape[axis.axis] - new
    outputs, *_ = own.shape
    given_outputs, *_ = given.shape
    if given.shape[axis.axis] - old != features or given_outputs != outputs:
        return given
    kept, _ = np.split(given.asnumpy(), [features], axis=axis.axis)
    _, columns = np.split(own.asnumpy(), [features], axis=axis.axis)
    value = np.ascontiguousarray(np.concatenate((kept, columns), axis=axis.axis))
    return Parameter(Tensor.from_numpy(value), name=given.name)


def log_fresh_parameters(
    checkpoint: Checkpoint, own: Parameters, given: Parameters, classes: Sequence[str], fresh_part: str | None
) -> None:
    """Logs which parameters do not come from the checkpoint.

    checkpoint: the checkpoint.
    own: the model's parameters.
    given: the checkpoint's parameters.
    classes: the model's classes.
    fresh_part: prefix of the part that the checkpoint lacks, if any.
    """
    logger.info("starting from %s", checkpoint.path)
    if fresh_part is not None and _has(own, fresh_part):
        part = "mask branch of this type" if fresh_part == MASK_BRANCH else "mask IoU head"
        logger.info("it has no %s: %s* keeps its initial values", part, fresh_part)
    if tuple(classes) != checkpoint.info.classes:
        compared = [name for name in own if not (fresh_part and name.startswith(fresh_part))]
        logger.info(
            "it was trained on %s, this run has %s: these parameters keep their initial values",
            _summarise(checkpoint.info.classes),
            _summarise(classes),
        )
        for name in (
            name for name in compared if name in given and axes_of(name) and not serves_all_classes(name, own)
        ):
            part = "the class columns of " if all(axis.trailing for axis in axes_of(name)) else ""
            logger.info("  %s%s %s", part, name, tuple(own[name].shape))


def _summarise(classes: Sequence[str]) -> str:
    return f"{len(classes)} classes ({shorten(classes, _CLASSES_SHOWN)})"


def _has(parameters: Parameters, part: str) -> bool:
    return any(name.startswith(part) for name in parameters)
