"""Whole state dicts of the libraries: every parameter placed, values where they belong, the configuration they need."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.convert.coco_classes import COCO_CLASSES, COCO_IDS
from mindrcnn.convert.families import FAMILIES
from mindrcnn.convert.importer import Imported, Options, import_detector
from mindrcnn.errors import InputError
from mindrcnn.weights.read import WeightsFile

# Mask Scoring R-CNN's and PointRend's name tables are tested in test_names.py.
CASES = {
    "tv_faster_rcnn_r50": "torchvision",
    "tv_mask_rcnn_r50": "torchvision",
    "d2_faster_rcnn_r50": "detectron2",
    "d2_mask_rcnn_r50": "detectron2",
    "d2_mask_rcnn_r101": "detectron2",
    "mm_mask_rcnn_r50": "mmdet",
}


def imported(state, family: str = "", **options) -> Imported:
    return import_detector(WeightsFile(Path("weights.pth"), "torch", state), FAMILIES.get(family), Options(**options))


@pytest.fixture(scope="module")
def imported_reference(reference_state) -> Callable[[str], Imported]:
    """Case name -> the import without options, done once and only to be read."""
    return cache(lambda case: imported(reference_state(case)))


def parameters(result: Imported) -> dict[str, np.ndarray]:
    return {name: parameter.asnumpy() for name, parameter in result.detector.parameters_dict().items()}


def assert_complete(result: Imported, state) -> None:
    report = result.report
    assert set(report.used) | set(report.ignored) == set(state)
    assert [report.leftover, report.missing, report.partly, report.constants] == [[], {}, {}, []]
    assert set(report.filled) == set(result.detector.parameters_dict())
    assert len({use.ours for use in report.used.values()}) == len(report.used)


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_has_its_place(case, reference_state, imported_reference):
    state = reference_state(case)
    result = imported_reference(case)
    assert_complete(result, state)
    assert result.report.title.split(": ")[1].startswith(CASES[case])
    assert result.config.model.backbone.name == ("resnet101" if "r101" in case else "resnet50")
    assert (result.config.model.mask is None) == ("faster" in case)
    assert result.classes.names == COCO_CLASSES
    assert result.classes.category_ids == COCO_IDS


def test_values_of_torchvision(reference_state, imported_reference):
    state = reference_state("tv_mask_rcnn_r50")
    ours = parameters(imported_reference("tv_mask_rcnn_r50"))
    theirs = {
        "backbone.stem.conv1.norm.gamma": "backbone.body.bn1.weight",
        "backbone.stage3.0.shortcut.norm.moving_variance": "backbone.body.layer2.0.downsample.1.running_var",
        "backbone.stage5.2.conv3.conv.weight": "backbone.body.layer4.2.conv3.weight",
        "neck.laterals.3.weight": "backbone.fpn.inner_blocks.3.0.weight",
        "rpn.head.deltas.bias": "rpn.head.bbox_pred.bias",
        "box.head.fc1.weight": "roi_heads.box_head.fc6.weight",
        "mask.head.convs.3.bias": "roi_heads.mask_head.3.0.bias",
        "mask.head.upsample.weight": "roi_heads.mask_predictor.conv5_mask.weight",
    }
    for name, source in theirs.items():
        np.testing.assert_array_equal(ours[name], state[source], err_msg=name)
    logits, deltas = (state[f"roi_heads.box_predictor.{n}.weight"] for n in ("cls_score", "bbox_pred"))
    masks = state["roi_heads.mask_predictor.mask_fcn_logits.weight"]
    np.testing.assert_array_equal(ours["box.head.class_logits.weight"][0], logits[0])
    for label, category in enumerate(COCO_IDS, start=1):
        np.testing.assert_array_equal(ours["box.head.class_logits.weight"][label], logits[category])
        np.testing.assert_array_equal(
            ours["box.head.deltas.weight"][4 * label - 4 : 4 * label], deltas[4 * category : 4 * category + 4]
        )
        np.testing.assert_array_equal(ours["mask.head.mask_logits.weight"][label - 1], masks[category])


@pytest.mark.parametrize(
    ("case", "logits", "deltas", "masks"),
    [
        (
            "d2_mask_rcnn_r50",
            "roi_heads.box_predictor.cls_score",
            "roi_heads.box_predictor.bbox_pred",
            "roi_heads.mask_head.predictor",
        ),
        (
            "mm_mask_rcnn_r50",
            "roi_head.bbox_head.fc_cls",
            "roi_head.bbox_head.fc_reg",
            "roi_head.mask_head.conv_logits",
        ),
    ],
)
def test_values_with_the_background_last(case, logits, deltas, masks, reference_state, imported_reference):
    state = reference_state(case)
    ours = parameters(imported_reference(case))
    for leaf in ("weight", "bias"):
        source = state[f"{logits}.{leaf}"]
        np.testing.assert_array_equal(ours[f"box.head.class_logits.{leaf}"][0], source[80])
        np.testing.assert_array_equal(ours[f"box.head.class_logits.{leaf}"][1:], source[:80])
        np.testing.assert_array_equal(ours[f"box.head.deltas.{leaf}"], state[f"{deltas}.{leaf}"])
        np.testing.assert_array_equal(ours[f"mask.head.mask_logits.{leaf}"], state[f"{masks}.{leaf}"])


def test_all_outputs_of_torchvision(reference_state):
    state = reference_state("tv_faster_rcnn_r50")
    result = imported(state, all_outputs=True)
    assert_complete(result, state)
    assert len(result.classes.names) == 90
    assert result.classes.names[11] == "unused_12"
    assert result.classes.category_ids == tuple(range(1, 91))
    np.testing.assert_array_equal(
        parameters(result)["box.head.class_logits.bias"], state["roi_heads.box_predictor.cls_score.bias"]
    )


def test_older_names_of_torchvision(reference_state):
    state = reference_state("tv_mask_rcnn_r50")
    older = {}
    for name, value in state.items():
        name = re.sub(r"(_blocks\.\d)\.0\.", r"\1.", name).replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        name = re.sub(r"mask_head\.(\d)\.0\.", lambda match: f"mask_head.mask_fcn{int(match[1]) + 1}.", name)
        older[name] = value
    assert len(set(older) - set(state)) == 16 + 2 + 8
    assert_complete(imported(older), older)


@pytest.mark.parametrize(
    ("library", "family", "mask"),
    [
        ("maskrcnn_benchmark", "maskrcnn-benchmark", True),
        ("zoo_faster_rcnn", "mindspore-zoo", False),
        ("zoo_mask_rcnn_mobilenet", "mindspore-zoo", True),
    ],
)
def test_libraries_with_legacy_conventions(library, family, mask, made_up_state):
    state = made_up_state(library)
    result = imported(state)
    assert_complete(result, state)
    assert f": {family}, " in result.report.title
    assert (result.config.model.mask is not None) == mask
    assert result.config.model.roi_sampling.gt_after_assignment == (family == "mindspore-zoo")
    assert any("not represented" in note for note in result.report.notes)
    ours = parameters(result)
    bias = next(value for name, value in state.items() if re.search(r"(cls_score|cls_scores)\.bias$", name))
    np.testing.assert_array_equal(ours["box.head.class_logits.bias"], bias)
    deltas = next(
        value for name, value in state.items() if re.search(r"predictor.bbox_pred\.bias|reg_scores\.bias", name)
    )
    np.testing.assert_array_equal(ours["box.head.deltas.bias"], deltas[4:])
    assert ours["box.head.fc1.weight"].shape == (1024, 12544)


def test_dense_layers_of_the_zoo_are_transposed(made_up_state):
    state = made_up_state("zoo_faster_rcnn")
    state["rcnn.cls_scores.weight"] = np.random.default_rng(0).normal(size=(1024, 81)).astype(np.float32)
    result = imported(state)
    np.testing.assert_array_equal(parameters(result)["box.head.class_logits.weight"], state["rcnn.cls_scores.weight"].T)
    assert result.report.used["rcnn.cls_scores.weight"].change == "transposed"


def test_batch_counters_are_ignored_by_rule(reference_state):
    state = dict(reference_state("mm_mask_rcnn_r50"))
    state["backbone.bn1.num_batches_tracked"] = np.array(7)
    assert imported(state).report.ignored == ["backbone.bn1.num_batches_tracked"]


SWITCHES = {
    "tv_mask_rcnn_r50": {"order": "rgb", "stride": "3x3", "aligned": False, "ratio": 2, "rounded": True, "beta": 1 / 9},
    "d2_mask_rcnn_r50": {"order": "bgr", "stride": "1x1", "aligned": True, "ratio": 0, "rounded": False, "beta": 0},
    "mm_mask_rcnn_r50": {"order": "rgb", "stride": "3x3", "aligned": True, "ratio": 0, "rounded": False, "beta": 0},
}


@pytest.mark.parametrize("case", SWITCHES)
def test_switches(case, imported_reference):
    model = imported_reference(case).config.model
    assert SWITCHES[case] == {
        "order": model.pixel.channel_order,
        "stride": model.backbone.stride_in,
        "aligned": model.roi_align.aligned,
        "ratio": model.roi_align.sampling_ratio,
        "rounded": model.anchors.rounded,
        "beta": model.box.smooth_l1_beta,
    }
    assert model.roi_sampling.gt_after_assignment == case.startswith("mm_")


def test_style_of_mmdetection(reference_state, imported_reference):
    state = reference_state("mm_mask_rcnn_r50")
    guessed = imported_reference("mm_mask_rcnn_r50")
    assert any("--style" in note for note in guessed.report.notes)
    given = imported(state, style="caffe").config.model
    assert (given.pixel.channel_order, given.pixel.std, given.backbone.stride_in) == ("bgr", (1.0, 1.0, 1.0), "1x1")
    assert (guessed.config.model.backbone.norm, given.backbone.norm) == ("frozen_statistics", "frozen")
    config = "backbone=dict(type='ResNet', style='caffe')"
    names = tuple(f"thing {i}" for i in range(80))
    file = WeightsFile(Path("a.pth"), "torch", state, {"meta": {"config": config, "CLASSES": names}})
    told = import_detector(file, None, Options())
    assert told.config.model.backbone.stride_in == "1x1"
    assert told.classes.names == names
    assert told.report.notes == []


def test_pixels_of_mmdetection(reference_state):
    """Its models from Detectron's weights with group norm take BGR, in pytorch's style otherwise."""
    state = reference_state("mm_mask_rcnn_r50")
    config = "backbone=dict(type='ResNet', style='pytorch'), data_preprocessor=dict(std=[1.0, 1.0, 1.0], {}=False)"
    for key in ("bgr_to_rgb", "to_rgb"):
        file = WeightsFile(Path("a.pth"), "torch", state, {"meta": {"config": config.format(key)}})
        model = import_detector(file, None, Options()).config.model
        assert (model.pixel.channel_order, model.pixel.std, model.backbone.stride_in) == ("bgr", (1.0, 1.0, 1.0), "3x3")


def test_standardised_weights_are_refused(reference_state):
    config = "conv_cfg = dict(type='ConvWS')"
    file = WeightsFile(Path("a.pth"), "torch", reference_state("mm_mask_rcnn_r50"), {"meta": {"config": config}})
    with pytest.raises(InputError, match=r"a\.pth: wanted ordinary convolutions, got a configuration with ConvWS"):
        import_detector(file, None, Options())


def test_overrides_win(reference_state):
    result = imported(
        reference_state("d2_faster_rcnn_r50"), overrides=("model.roi_align.sampling_ratio=2", "name=mine")
    )
    assert result.config.model.roi_align.sampling_ratio == 2
    assert result.config.name == "mine"


def test_a_missing_pyramid_level(reference_state):
    state = {k: v for k, v in reference_state("d2_mask_rcnn_r50").items() if "fpn_lateral3" not in k}
    with pytest.raises(
        InputError, match=r"lacks 2 parameters: neck.laterals.1.weight \(backbone.fpn_lateral3.weight\)"
    ):
        imported(state)


def test_something_left_over(reference_state):
    state = dict(reference_state("tv_faster_rcnn_r50"))
    state["roi_heads.keypoint_head.0.weight"] = np.zeros((8, 8, 3, 3), np.float32)
    with pytest.raises(
        InputError, match=r"1 parameters without a place in this model: roi_heads.keypoint_head.0.weight"
    ):
        imported(state)
    assert imported(state, allow_leftover=True).report.leftover == ["roi_heads.keypoint_head.0.weight"]


def without(state, pattern):
    return {name: value for name, value in state.items() if not re.search(pattern, name)}


@pytest.mark.parametrize(
    ("change", "family", "message"),
    [
        (lambda s: {"features.0.weight": np.zeros(3)}, "", "wanted a detector named as in torchvision"),
        (lambda s: without(s, "roi_heads"), "", r"it has no box head \(roi_heads.box_predictor.cls_score.bias\)"),
        (lambda s: without(s, r"rpn_head\.obj"), "", "it has no region proposal network"),
        (lambda s: without(s, r"res4\.5\."), "", "wanted a ResNet with 6 .resnet50. or 23 .resnet101. .* got 5"),
        (lambda s: s, "mmdet", "it has no box head"),
        (
            lambda s: s | {"roi_heads.box_predictor.bbox_pred.weight": np.zeros((4, 1024), np.float32)},
            "",
            "bbox_pred.weight: the classes do not fit: 1 rows for 80 classes",
        ),
        (
            lambda s: s | {"roi_heads.box_head.fc2.bias": np.full(1024, np.nan, np.float32)},
            "",
            "fc2.bias: wanted finite numbers",
        ),
        (
            lambda s: s | {"backbone.bottom_up.res2.0.conv2.weight": np.zeros((64, 2, 3, 3), np.float32)},
            "",
            r"res2.0.conv2.weight: wanted shape \(64, 64, 3, 3\) for backbone.stage2.0.conv2.conv.weight, got",
        ),
    ],
)
def test_a_file_of_another_model(change, family, message, reference_state):
    with pytest.raises(InputError, match=message) as error:
        imported(change(reference_state("d2_faster_rcnn_r50")), family)
    assert str(error.value).startswith("weights.pth")


def test_shared_parameters_of_the_zoo(made_up_state):
    state = made_up_state("zoo_faster_rcnn")
    first, copy = ("rpn_with_loss.rpn_convs_list.0.rpn_cls.bias", "rpn_with_loss.rpn_convs_list.3.rpn_cls.bias")
    state[copy] = state[first].copy()
    used = imported(state).report.used
    assert used[first].ours == used[copy].ours == "rpn.head.objectness.bias"
    state[copy] = state[first] + 1
    with pytest.raises(InputError, match=rf"weights.pth: {copy}: wanted the values of {first}"):
        imported(state)


def test_half_precision_becomes_single(reference_state):
    state = dict(reference_state("d2_faster_rcnn_r50"))
    name = "roi_heads.box_head.fc2.bias"
    state[name] = state[name].astype(np.float16)
    result = imported(state)
    assert result.report.used[name].change == "float16 -> float32"
    np.testing.assert_array_equal(parameters(result)["box.head.fc2.bias"], state[name].astype(np.float32))
