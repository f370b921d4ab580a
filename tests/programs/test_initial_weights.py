"""Starting from a checkpoint with other classes or another mask branch."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mindspore.nn as nn
import numpy as np
import pytest

from mindrcnn.build.detector import build_detector
from mindrcnn.build.initial_weights import build_initialised_detector, load_backbone_weights
from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.config.model import BackboneConfig
from mindrcnn.datasets.demo import CATEGORY_IDS
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from mindrcnn.errors import InputError

OLD = tuple(CATEGORY_IDS)
NEW = ("date", "fig", "hazelnut")
MASKS = {
    "mask_rcnn": (),
    "ms_rcnn": ("model.mask={type: ms_rcnn, resolution: 7, num_convs: 1, channels: 16, iou_num_convs: 2, "
                "iou_channels: 8, iou_fc_channels: 16}",),
    "point_rend": ("model.mask={type: point_rend, resolution: 6, fc_channels: 16, point_channels: 8}",),
}  # fmt: skip
MASK_LAYERS = {
    "mask_rcnn": {"mask.head.mask_logits.weight", "mask.head.mask_logits.bias"},
    "ms_rcnn": {"mask.mask.head.mask_logits.weight", "mask.mask.head.mask_logits.bias", "mask.iou_head.iou.weight",
                "mask.iou_head.iou.bias"},
    "point_rend": {"mask.coarse_head.prediction.weight", "mask.coarse_head.prediction.bias",
                   "mask.point_head.predictor.weight", "mask.point_head.predictor.bias"},
}  # fmt: skip
BOX_LAYERS = {f"box.head.{layer}.{part}" for layer in ("class_logits", "deltas") for part in ("weight", "bias")}
POINT_LAYERS = {f"mask.point_head.fcs.{index}.weight" for index in range(3)}

Values = dict[str, np.ndarray]


@pytest.fixture
def saved(tiny: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A checkpoint of OLD classes with the mask branch asked for, every value of it 7."""

    def save(mask: str) -> Path:
        config = load_config(tiny, MASKS[mask])
        detector = build_detector(config.model, len(OLD))
        for parameter in detector.get_parameters():
            parameter.set_data(0 * parameter + 7)
        info = CheckpointInfo(dump_config(config), OLD, tuple(CATEGORY_IDS.values()), epoch=0, step=0)
        save_checkpoint(tmp_path / f"{mask}.ckpt", network=detector, info=info)
        return tmp_path / f"{mask}.ckpt"

    return save


@pytest.fixture
def start(tiny: Path) -> Callable[..., Values]:
    """start(checkpoint, classes, *overrides) -> the values that training would start from."""

    def values(checkpoint: Path, classes: Sequence[str], *overrides: str) -> Values:
        config = load_config(tiny, [*overrides, f"train.init_checkpoint={checkpoint}"])
        detector = build_initialised_detector(config, classes)
        return {parameter.name: parameter.asnumpy() for parameter in detector.get_parameters()}

    return values


def fresh_names(values: Values) -> set[str]:
    """Names of the parameters of which nothing came from the checkpoint."""
    return {name for name, value in values.items() if not (value == 7).any()}


@pytest.mark.parametrize("mask", MASKS)
def test_class_outputs_keep_initial_values_and_all_else_is_loaded(
    saved: Callable[[str], Path], start: Callable[..., Values], caplog: pytest.LogCaptureFixture, mask: str
) -> None:
    path = saved(mask)
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        values = start(path, NEW, *MASKS[mask])
    fresh = BOX_LAYERS | MASK_LAYERS[mask]
    assert fresh_names(values) == fresh
    mixed = POINT_LAYERS if mask == "point_rend" else set()
    assert {name for name, value in values.items() if not (value == 7).all()} == fresh | mixed
    for name in mixed:  # the last columns read the classes' coarse predictions
        assert (values[name][:, : -len(NEW)] == 7).all()
        assert not (values[name][:, -len(NEW) :] == 7).any()
    listed = [line for line in caplog.messages if line.startswith("  ")]
    said = {word for line in listed for word in line.split() if "." in word}
    assert said == fresh | mixed
    assert "it was trained on 6 classes (" in caplog.text
    assert "this run has 3 classes (date, fig, hazelnut): these parameters keep their initial values" in caplog.text


@pytest.mark.parametrize("classes", [OLD[::-1], ("another", *OLD[1:])])
def test_names_and_order_count_and_not_the_number(
    saved: Callable[[str], Path], start: Callable[..., Values], classes: tuple[str, ...]
) -> None:
    assert fresh_names(start(saved("mask_rcnn"), classes)) == BOX_LAYERS | MASK_LAYERS["mask_rcnn"]


def test_equal_classes_keep_everything(
    saved: Callable[[str], Path], start: Callable[..., Values], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        values = start(saved("mask_rcnn"), OLD)
    assert all((value == 7).all() for value in values.values())
    assert "initial values" not in caplog.text


@pytest.mark.parametrize("mask", MASKS)
def test_a_faster_rcnn_starts_from_any_mask_model(
    saved: Callable[[str], Path], start: Callable[..., Values], caplog: pytest.LogCaptureFixture, mask: str
) -> None:
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        values = start(saved(mask), OLD, "model.mask=null")
    assert values
    assert all((value == 7).all() for value in values.values())
    assert "this model has no mask branch: that of " in caplog.text


def test_a_class_agnostic_regressor_is_kept_for_other_classes(
    tiny: Path, tmp_path: Path, start: Callable[..., Values], caplog: pytest.LogCaptureFixture
) -> None:
    shared = ("model.box.class_agnostic=true", "model.mask=null")
    config = load_config(tiny, shared)
    detector = build_detector(config.model, len(OLD))
    for parameter in detector.get_parameters():
        parameter.set_data(0 * parameter + 7)
    info = CheckpointInfo(dump_config(config), OLD, tuple(CATEGORY_IDS.values()), epoch=0, step=0)
    save_checkpoint(tmp_path / "shared.ckpt", network=detector, info=info)
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        values = start(tmp_path / "shared.ckpt", NEW, *shared)
    assert fresh_names(values) == {"box.head.class_logits.weight", "box.head.class_logits.bias"}
    assert "box.head.deltas" not in caplog.text


def test_a_mask_branch_that_does_not_train_has_no_losses(tiny: Path) -> None:
    config = load_config(tiny, ["train.mask_branch=false"])
    detector = build_initialised_detector(config, OLD)
    assert detector.loss_names == ("loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box_reg")
    assert len(detector.noise_shapes(2, 64, 64, 8)) == 2
    trained = {parameter.name.partition(".")[0] for parameter in detector.trainable_params()}
    assert trained == {"backbone", "neck", "rpn", "box"}


def test_mask_scoring_takes_the_mask_head_of_a_mask_rcnn(
    saved: Callable[[str], Path], start: Callable[..., Values], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        values = start(saved("mask_rcnn"), OLD, *MASKS["ms_rcnn"])
    iou_head = {name for name in values if name.startswith("mask.iou_head.")}
    assert iou_head
    assert {name for name, value in values.items() if not (value == 7).all()} == iou_head
    assert "mask.iou_head.* keeps its initial values" in caplog.text


def test_mask_rcnn_takes_the_mask_head_of_a_mask_scoring_rcnn(
    saved: Callable[[str], Path], start: Callable[..., Values]
) -> None:
    values = start(saved("ms_rcnn"), OLD)
    assert all((value == 7).all() for value in values.values())


@pytest.mark.parametrize(("source", "target"), [("mask_rcnn", "point_rend"), ("point_rend", "mask_rcnn")])
def test_another_mask_branch_and_other_classes_at_once(
    saved: Callable[[str], Path], start: Callable[..., Values], source: str, target: str
) -> None:
    values = start(saved(source), NEW, *MASKS[target])
    branch = {name for name in values if name.startswith("mask.")}
    assert fresh_names(values) == BOX_LAYERS | branch
    assert values["box.head.class_logits.weight"].shape[0] == len(NEW) + 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.box.fc_channels=16", r"box\.head\.fc1\.weight: wanted"),
        ("model.mask.num_convs=2", r"mask\.head\.convs\.1\.weight: missing"),
    ],
)
def test_other_differences_are_one_error(
    saved: Callable[[str], Path], start: Callable[..., Values], override: str, message: str
) -> None:
    path = saved("mask_rcnn")
    with pytest.raises(InputError, match=message):
        start(path, NEW, override)
    assert load_checkpoint(path).info.classes == OLD


@pytest.mark.parametrize(
    ("norm", "frozen_stages", "warnings"),
    [("frozen", 0, 1), ("batch", 2, 1), ("batch", 0, 0), ("frozen_statistics", 0, 0)],
)
def test_random_weights_that_stay_as_they_are_are_worth_a_warning(
    caplog: pytest.LogCaptureFixture, norm: Any, frozen_stages: int, warnings: int
) -> None:
    with caplog.at_level(logging.INFO, logger="mindrcnn"):
        load_backbone_weights(nn.Cell(), BackboneConfig(norm=norm, frozen_stages=frozen_stages))
    assert "starts from random weights" in caplog.messages[0]
    assert sum("give model.backbone.weights" in message for message in caplog.messages) == warnings
