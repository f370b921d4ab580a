"""Name tables against the parameters of the references, where their models are not built here."""

from collections.abc import Iterator

import numpy as np
import pytest

from mindrcnn.build.detector import build_detector
from mindrcnn.config.model import MaskRCNNConfig, ModelConfig
from mindrcnn.convert.classes import choose_classes
from mindrcnn.convert.families import FAMILIES, detect_family, normalise_names
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
