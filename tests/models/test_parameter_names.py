"""Parameter names and shapes are public: checkpoints and import tables are written in them.

The lists in parameter_names/ are what `python tests/models/test_parameter_names.py` writes. A changed list is a
breaking change: it needs a renaming table for old checkpoints and a line in CHANGELOG.md.
"""

from functools import cache
from pathlib import Path

import pytest
from mindspore.nn.utils import no_init_parameters

from mindrcnn.build.detector import build_detector
from mindrcnn.config.loader import load_config
from mindrcnn.config.model import MaskRCNNConfig, MaskScoringConfig, ModelConfig, PointRendConfig
from mindrcnn.models.detector import TwoStageDetector

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = REPOSITORY / "configs"
GOLDEN = Path(__file__).with_name("parameter_names")
LISTED = ("faster_rcnn_r50", "mask_rcnn_r50", "mask_rcnn_mobilenet_v1", "ms_rcnn_r50_caffe", "point_rend_r50")
MASK_LOSSES = {
    MaskRCNNConfig: ("loss_mask",),
    MaskScoringConfig: ("loss_mask", "loss_mask_iou"),
    PointRendConfig: ("loss_mask", "loss_mask_point"),
}
FILES = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml"))
NUM_CLASSES = 80


@cache
def empty_detector(model: ModelConfig) -> TwoStageDetector:
    """The detector of a configuration without initial values; many files share one."""
    with no_init_parameters():
        return build_detector(model, NUM_CLASSES)


def detector_of(file: str) -> TwoStageDetector:
    return empty_detector(load_config(CONFIGS / file).model)


def listing(name: str) -> str:
    """One line `name shape` per parameter of a standard recipe, in network order."""
    parameters = detector_of(f"{name}_fpn_1x_coco.yaml").parameters_dict()
    return "".join(f"{key} {tuple(parameter.shape)}\n" for key, parameter in parameters.items())


@pytest.mark.parametrize("name", LISTED)
def test_names_and_shapes(name: str) -> None:
    assert listing(name).splitlines() == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("file", FILES)
def test_every_configuration_builds(file: str) -> None:
    config = load_config(CONFIGS / file)
    detector = detector_of(file)
    masks = MASK_LOSSES[type(config.model.mask)] if config.model.mask is not None else ()
    assert detector.loss_names == ("loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box_reg", *masks)
    assert (detector.mask is None) == (config.model.mask is None)
    shapes = {name: parameter.shape for name, parameter in detector.parameters_dict().items()}
    assert shapes["box.head.class_logits.weight"] == (NUM_CLASSES + 1, config.model.box.fc_channels)
    output = "neck.outputs.0.weight" if config.model.fpn.norm == "none" else "neck.outputs.0.conv.weight"
    assert shapes[output][0] == config.model.fpn.out_channels
    third_stage = {"resnet50": 6, "resnet101": 23, "mobilenet_v1": 6}[config.model.backbone.name]
    blocks = {name.split(".")[2] for name in shapes if name.startswith("backbone.stage4.")}
    assert len(blocks) == third_stage
    (batch, anchors), (_, candidates), *_ = detector.noise_shapes(2, 768, 1280, 10)
    assert (batch, anchors) == (2, 245520)
    rpn = config.model.rpn
    assert candidates == min(rpn.post_nms_topk.train, 4 * rpn.pre_nms_topk.train + 720) + 10


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for listed in LISTED:
        (GOLDEN / f"{listed}.txt").write_text(listing(listed), encoding="utf-8")
