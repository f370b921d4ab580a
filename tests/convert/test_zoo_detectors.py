"""The MindSpore model zoo's PointRend and Mask Scoring R-CNN, from their names and shapes."""

from pathlib import Path

import numpy as np
import pytest

from mindrcnn.config.model import MaskScoringConfig, PointRendConfig
from mindrcnn.convert.families import detect_family, normalise_names
from mindrcnn.convert.importer import Imported, Options, import_detector
from mindrcnn.weights.read import WeightsFile


def imported(state: dict[str, np.ndarray], **options: object) -> Imported:
    family = detect_family(state, "mindspore-zoo")
    return import_detector(WeightsFile(Path("zoo.ckpt"), "mindspore", state), family, Options(**options))


def assert_complete(result: Imported, state: dict[str, np.ndarray], ignored: set[str]) -> None:
    assert set(result.report.ignored) == ignored
    assert set(result.report.used) | ignored == set(state)
    assert set(result.report.filled) == set(result.detector.parameters_dict())


def test_point_rend(made_up_state):
    state = made_up_state("zoo_point_rend")
    result = imported(state)
    unused = {f"rcnn_mask.fpn_mask.mask_conv1.{leaf}" for leaf in ("weight", "bias")}
    assert_complete(result, state, unused | {name for name in state if name.startswith(("accum.", "learn", "global"))})
    assert result.report.title.endswith("mindspore-zoo, PointRend, resnet50, 80 classes")
    assert isinstance(result.config.model.mask, PointRendConfig)
    ours = {name: parameter.asnumpy() for name, parameter in result.detector.parameters_dict().items()}
    inputs = [*range(256), *range(257, 337)]  # without the column of the background
    np.testing.assert_array_equal(ours["mask.point_head.fcs.1.weight"].reshape(256, 336)[0], inputs)
    np.testing.assert_array_equal(
        ours["mask.point_head.predictor.bias"], state["mask_point_head.predictor.bias"].ravel()[1:]
    )
    assert ours["mask.coarse_head.prediction.weight"].shape == (80 * 49, 1024)


def test_mask_scoring_rcnn(made_up_state):
    state = made_up_state("zoo_ms_rcnn")
    result = imported(state)
    assert_complete(result, state, {"moments.rpn_head.rpn_conv.weight", "learning_rate"})
    assert result.report.title.endswith("mindspore-zoo, Mask Scoring R-CNN, resnet50, 80 classes")
    model = result.config.model
    assert (model.backbone.stride_in, model.pixel.channel_order, model.backbone.norm) == ("1x1", "bgr", "frozen")
    assert isinstance(model.mask, MaskScoringConfig)
    ours = {name: parameter.asnumpy() for name, parameter in result.detector.parameters_dict().items()}
    np.testing.assert_array_equal(ours["box.head.class_logits.bias"], state["bbox_head.fc_cls.bias"])  # in our order
    assert "style" in result.report.notes[0]


@pytest.mark.parametrize(
    "shortcut",
    [
        *(("downsample.0", "downsample.1"), ("down_sample.0", "down_sample.1")),
        ("conv_down_sample", "bn_down_sample"),
    ],
)
def test_spellings_of_a_shortcut(shortcut, made_up_state):
    state = made_up_state("zoo_ms_rcnn")
    family = detect_family(state)
    assert family is not None
    convolution, norm = shortcut
    spelt = {
        name.replace("down_sample_layer.0", convolution).replace("down_sample_layer.1", norm): value
        for name, value in state.items()
    }
    assert normalise_names(spelt, family).keys() == normalise_names(state, family).keys()
    assert family.table.source("backbone.stage2.0.shortcut.conv.weight") in normalise_names(spelt, family)


@pytest.mark.parametrize("library", ["zoo_faster_rcnn", "maskrcnn_benchmark"])
def test_other_files_are_not_taken_for_it(library, made_up_state):
    family = detect_family(made_up_state(library))
    assert family is not None
    assert family.switches == {"zoo_faster_rcnn": "mindspore-zoo"}.get(library, "maskrcnn-benchmark")
