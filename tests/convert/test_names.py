"""Name tables against the parameters of the references, where their models are not built here."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mindspore import nn

from mindrcnn.build.detector import build_box_convs, build_detector
from mindrcnn.config.box import BoxConfig
from mindrcnn.config.model import MaskRCNNConfig, ModelConfig
from mindrcnn.convert.architecture import Probe, describe, describe_box
from mindrcnn.convert.classes import choose_classes
from mindrcnn.convert.families import FAMILIES, detect_family, exporting_family, normalise_names
from mindrcnn.convert.importer import Options, configuration
from mindrcnn.convert.mapping import export_state, map_parameters
from mindrcnn.convert.report import Report

MASK_SCORING = {
    **{f"mask.iou_head.convs.{i}": (256, 257 if i == 0 else 256, 3, 3) for i in range(4)},
    "mask.iou_head.fc1": (1024, 12544),
    "mask.iou_head.fc2": (1024, 1024),
    "mask.iou_head.iou": (80, 1024),
}
POINT_REND = {
    "mask.coarse_head.reduce": (256, 256, 2, 2),
    "mask.coarse_head.fc1": (1024, 12544),
    "mask.coarse_head.fc2": (1024, 1024),
    "mask.coarse_head.prediction": (3920, 1024),
    **{f"mask.point_head.fcs.{i}": (256, 336) for i in range(3)},
    "mask.point_head.predictor": (80, 336),
}


def with_biases(weights: dict[str, tuple[int, ...]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for layer, shape in weights.items():
        yield f"{layer}.weight", shape
        yield f"{layer}.bias", shape[:1]


@pytest.fixture(scope="module")
def mask_rcnn_shapes() -> dict[str, tuple[int, ...]]:
    detector = build_detector(ModelConfig(mask=MaskRCNNConfig()), 80)
    return {name: parameter.shape for name, parameter in detector.parameters_dict().items()}


def our_shapes(kind: str, mask_rcnn: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Parameters of Mask Scoring R-CNN, which holds Mask R-CNN's branch, or PointRend, which has none of it."""
    if kind == "ms_rcnn":
        inner = {name.replace("mask.head.", "mask.mask.head."): shape for name, shape in mask_rcnn.items()}
        return inner | dict(with_biases(MASK_SCORING))
    rest = {name: shape for name, shape in mask_rcnn.items() if not name.startswith("mask.")}
    return rest | dict(with_biases(POINT_REND))


@pytest.mark.parametrize(("case", "kind"), [("mm_ms_rcnn_r50", "ms_rcnn"), ("d2_point_rend_r50", "point_rend")])
@pytest.mark.parametrize("spelling", ["today", "older"])
def test_other_mask_branches(case, kind, spelling, mask_rcnn_shapes, reference_state):
    state = reference_state(case)
    if spelling == "older" and kind == "point_rend":
        renamed = {
            "roi_heads.mask_head.point_head.": "roi_heads.mask_point_head.",
            "roi_heads.mask_head.coarse_head.fc": "roi_heads.mask_coarse_head.coarse_mask_fc",
            "roi_heads.mask_head.coarse_head.": "roi_heads.mask_coarse_head.",
        }
        for new, old in renamed.items():
            state = {name.replace(new, old): value for name, value in state.items()}
    family = detect_family(state)
    fresh = {name: np.zeros(shape, np.float32) for name, shape in our_shapes(kind, mask_rcnn_shapes).items()}
    report = Report(title="")
    values = map_parameters(
        normalise_names(state, family), fresh, family=family, classes=choose_classes(80), report=report
    )
    assert set(values) == set(fresh) == set(report.filled)
    assert set(report.used) == set(state)
    assert (report.leftover, report.missing) == ([], {})
    if kind == "point_rend":
        head = "roi_heads.mask_point_head" if spelling == "older" else "roi_heads.mask_head.point_head"
        np.testing.assert_array_equal(values["mask.point_head.fcs.1.weight"], state[f"{head}.fc2.weight"][:, :, 0])
        back = export_state(values, family)
        for name, value in reference_state(case).items():
            np.testing.assert_array_equal(back.pop(name), value, err_msg=name)
        assert back == {}
    else:
        source = state["roi_head.mask_iou_head.convs.0.weight"]
        np.testing.assert_array_equal(values["mask.iou_head.convs.0.weight"], source)
        np.testing.assert_array_equal(
            values["mask.mask.head.mask_logits.bias"], state["roi_head.mask_head.conv_logits.bias"]
        )


@pytest.mark.parametrize("name", FAMILIES)
def test_no_two_of_our_parameters_share_a_source(name, mask_rcnn_shapes):
    table = FAMILIES[name].table
    for kind in ("ms_rcnn", "point_rend"):
        sources = [table.source(ours) for ours in our_shapes(kind, mask_rcnn_shapes)]
        known = [source for source in sources if source is not None]
        assert len(known) == len(set(known))


def test_names_of_maskscoring_rcnn():
    table = FAMILIES["maskrcnn-benchmark"].table
    expected = {
        "mask.mask.head.convs.0.weight": "roi_heads.mask.feature_extractor.mask_fcn1.weight",
        "mask.iou_head.convs.3.bias": "roi_heads.maskiou.feature_extractor.maskiou_fcn4.bias",
        "mask.iou_head.fc2.weight": "roi_heads.maskiou.feature_extractor.maskiou_fc2.weight",
        "mask.iou_head.iou.weight": "roi_heads.maskiou.predictor.maskiou.weight",
    }
    assert {name: table.source(name) for name in expected} == expected


BOX_CONVS = {
    "detectron2": ("roi_heads.box_head.conv{}", 1, "{}", "{}.norm", "roi_heads.box_head.fc1"),
    "mmdet": ("roi_head.bbox_head.shared_convs.{}", 0, "{}.conv", "{}.gn", "roi_head.bbox_head.shared_fcs.0"),
}


@pytest.mark.parametrize(("library", "norm"), [("detectron2", "group"), ("detectron2", "frozen"), ("mmdet", "group")])
def test_the_4conv1fc_box_head(library, norm):
    pattern, first, conv, norm_name, fc1 = BOX_CONVS[library]
    family = FAMILIES[library]
    leaves = ("weight", "bias", "running_mean", "running_var") if norm == "frozen" else ("weight", "bias")
    state = {f"{fc1}.weight": np.ones((6, 32 * 49), np.float32), f"{fc1}.bias": np.ones(6, np.float32)}
    for index in range(4):
        layer = pattern.format(index + first)
        state[f"{conv.format(layer)}.weight"] = np.full((32, 32, 3, 3), index, np.float32)
        state |= {f"{norm_name.format(layer)}.{leaf}": np.full(32, index, np.float32) for leaf in leaves}
    probe = Probe(path=Path("file"), family=family, entries=normalise_names(state, family))
    box = describe_box(probe)
    assert box == {"fc_channels": 6, "num_convs": 4, "conv_channels": 32, "norm": norm, "num_fcs": 1}
    convs = build_box_convs(BoxConfig(**box), 32)
    convs = nn.CellList(convs)
    convs.update_parameters_name("box.head.convs.")
    fresh = {name: parameter.asnumpy() for name, parameter in convs.parameters_dict().items()}
    report, classes = Report("file"), choose_classes(80)
    values = map_parameters(probe.entries, fresh, family=family, classes=classes, report=report)
    assert set(values) == set(fresh)
    assert report.leftover == [f"{fc1}.weight", f"{fc1}.bias"]
    assert all((value == int(name.split(".")[3])).all() for name, value in values.items())
    assert export_state(values, family).keys() == state.keys() - set(report.leftover)


def with_group_norm(name: str, norm: str, shape: tuple[int, ...], *, conv: str = "") -> dict[str, tuple[int, ...]]:
    """The parameters of a layer with group norm, from the name and shape of the same layer without."""
    layer, leaf = name.rsplit(".", 1)
    if leaf == "weight":
        return {f"{layer}{conv}.weight": shape}
    return {f"{layer}.norm.{part}": shape for part in norm.split()}


def grouped_detectron2(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """detectron2's parameters with group norm, from one of its model with batch norm and biases."""
    if "fpn_" in name or "mask_fcn" in name:
        return with_group_norm(name, "weight bias", shape)
    return {} if "running_" in name else {name: shape}


def grouped_mmdet(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The same of mmdetection, where a norm has the name of its kind."""
    if re.match(r"neck\.|roi_head\.mask_head\.convs\.", name):
        made = with_group_norm(name.replace(".conv.", "."), "weight bias", shape, conv=".conv")
        return {key.replace(".norm.", ".gn."): value for key, value in made.items()}
    return {} if "running_" in name else {re.sub(r"\bbn(\d)", r"gn\1", name): shape}


@pytest.mark.parametrize(
    ("case", "grouped"), [("d2_mask_rcnn_r50", grouped_detectron2), ("mm_mask_rcnn_r50", grouped_mmdet)]
)
def test_models_with_group_norm(mask_rcnn_shapes, reference_state, case, grouped):
    """Made from a model with batch norm: its norms lose their statistics, biases become norms."""
    state = {}
    for name, value in reference_state(case).items():
        made = grouped(name, value.shape)
        state |= {key: value if key == name else np.full(shape, len(key), np.float32) for key, shape in made.items()}
    fresh = {}
    for name, shape in mask_rcnn_shapes.items():
        if name.startswith(("neck.", "mask.head.convs.")):
            fresh |= with_group_norm(name, "gamma beta", shape, conv=".conv")
        elif "moving_" not in name:
            fresh[name] = shape
    family = detect_family(state)
    entries = normalise_names(state, family)
    architecture = describe(Probe(path=Path("file"), family=family, entries=entries))
    assert architecture.model["backbone"] == {"name": "resnet50", "norm": "group"}
    assert architecture.model["fpn"] == {"out_channels": 256, "norm": "group"}
    assert architecture.model["mask"]["norm"] == "group"
    style = "caffe" if family.styled else ""
    model = configuration(family, architecture, choose_classes(80), style, Options()).model
    assert (model.backbone.norm, model.backbone.stride_in, model.backbone.frozen_stages) == ("group", "3x3", 2)
    assert model.pixel.channel_order == "bgr"
    report = Report("file")
    zeros = {name: np.zeros(shape, np.float32) for name, shape in fresh.items()}
    values = map_parameters(entries, zeros, family=family, classes=choose_classes(80), report=report)
    assert set(values) == set(fresh)
    assert (report.leftover, report.missing) == ([], {})
    assert {family.table.normalise(name) for name in state} == export_state(values, family).keys()


# Where a library puts norms, two convolutions of the RPN, four of the box head and its only fully connected layer, and
# the part of each name that changes.
BATCH_NORMED = {
    "detectron2": (
        (r"(backbone\.fpn_\w+\d|roi_heads\.mask_head\.mask_fcn\d)\.weight", r"\1.norm"),
        (r"(proposal_generator\.rpn_head\.conv)\.(\w+)", r"\1.conv{}.\2"),
        ("roi_heads.box_head.conv{}.weight", "roi_heads.box_head.conv{}.norm", 1),
        (r"roi_heads\.box_head\.fc1\.(\w+)", r"roi_heads.box_head.fc1.\1"),
        "d2_mask_rcnn_r50",
    ),
    "mmdet": (
        (r"(neck\.\w+_convs\.\d|roi_head\.mask_head\.convs\.\d)\.conv\.weight", r"\1.bn"),
        (r"(rpn_head\.rpn_conv)\.(\w+)", r"\1.{}.conv.\2"),
        ("roi_head.bbox_head.shared_convs.{}.conv.weight", "roi_head.bbox_head.shared_convs.{}.bn", 0),
        (r"roi_head\.bbox_head\.shared_fcs\.0\.(\w+)", r"roi_head.bbox_head.shared_fcs.0.\1"),
        "mm_mask_rcnn_r50",
    ),
    "torchvision": (
        (r"(backbone\.fpn\.\w+_blocks\.\d|roi_heads\.mask_head\.\d)\.0\.weight", r"\1.1"),
        (r"(rpn\.head\.conv)\.0\.0\.(\w+)", r"\1.{}.0.\2"),
        ("roi_heads.box_head.{}.0.weight", "roi_heads.box_head.{}.1", 0),
        (r"roi_heads\.box_head\.fc6\.(\w+)", r"roi_heads.box_head.5.\1"),
        "tv_mask_rcnn_r50",
    ),
}
STATISTICS = ("weight", "bias", "running_mean", "running_var")


def batch_normed(library: str, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state of the library's model with batch norm everywhere, from that of its usual model."""
    (normed, norm), (rpn, numbered_rpn), (box_conv, box_norm, first), (fc1, own_fc1), _ = BATCH_NORMED[library]
    result: dict[str, np.ndarray] = {}
    for name, value in state.items():
        if re.fullmatch(normed, name):
            result[name] = value
            result |= {f"{re.sub(normed, norm, name)}.{part}": np.ones(len(value), np.float32) for part in STATISTICS}
        elif re.fullmatch(rpn, name):
            result |= {re.sub(rpn, numbered_rpn, name).format(i): value + i for i in range(2)}
        elif re.fullmatch(fc1, name):
            result[re.sub(fc1, own_fc1, name)] = value
        elif not re.fullmatch(normed.replace("weight", "bias"), name) and not re.search(
            r"\.(fc2|fc7|shared_fcs\.1)\.", name
        ):
            result[name] = value
    for index in range(4):
        result[box_conv.format(index + first)] = np.full((256, 256, 3, 3), index, np.float32)
        result |= {f"{box_norm.format(index + first)}.{part}": np.ones(256, np.float32) for part in STATISTICS}
    return result


@pytest.mark.parametrize("library", BATCH_NORMED)
def test_models_with_batch_norm_everywhere(reference_state, library):
    """torchvision's v2 models, detectron2's new baselines, mmdetection's copy-paste: into our model and back."""
    state = batch_normed(library, reference_state(BATCH_NORMED[library][-1]))
    family = detect_family(state)
    assert family.name == library
    entries = normalise_names(state, family)
    architecture = describe(Probe(path=Path("file"), family=family, entries=entries))
    model = architecture.model
    assert (model["fpn"]["norm"], model["mask"]["norm"], model["rpn"]) == ("frozen", "frozen", {"num_convs": 2})
    box = {"fc_channels": 1024, "num_convs": 4, "conv_channels": 256, "norm": "frozen", "num_fcs": 1}
    assert model["box"] == box
    style = "caffe" if family.styled else ""
    classes = choose_classes(architecture.classes, all_outputs=True)
    config = configuration(family, architecture, classes, style, Options()).model
    detector = build_detector(config, architecture.classes)
    fresh = {name: parameter.asnumpy() for name, parameter in detector.parameters_dict().items()}
    report = Report("file")
    values = map_parameters(entries, fresh, family=family, classes=classes, report=report)
    assert set(values) == set(fresh)
    assert (report.leftover, report.missing) == ([], {})
    np.testing.assert_array_equal(values["rpn.head.conv.1.weight"], values["rpn.head.conv.0.weight"] + 1)
    back = export_state(values, exporting_family(library, values))
    assert {family.table.normalise(name) for name in state} == back.keys()
