"""The outputs that a training step keeps."""

import pytest

from mindrcnn.build.detector import build_detector
from mindrcnn.config.loader import load_config
from mindrcnn.models.kept_outputs import ACTIVATED, count_kept_outputs

CELLS = 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2  # of P2..P5 at 64 x 64
SMALL = [
    "model.backbone.name=mobilenet_v1", "model.fpn.out_channels=8", "model.box.fc_channels=16", "model.box.resolution=3"
]  # fmt: skip


@pytest.mark.parametrize(("mask", "of_a_box"), [
    ("null", 0),
    ("{type: mask_rcnn, resolution: 4, num_convs: 2, channels: 8}", (8 + 8 + 4 * (8 + 3)) * 16),
    ("{type: ms_rcnn, resolution: 4, num_convs: 2, channels: 8}", (8 + 8 + 4 * (8 + 3)) * 16),
])  # fmt: skip
def test_layers_that_train_are_counted(mask: str, of_a_box: int) -> None:
    # all of the backbone but its last two blocks, 512 -> 1024 -> 1024 channels at stride 32, is frozen
    overrides = [*SMALL, f"model.mask={mask}", "model.backbone.frozen_stages=4"]
    detector = build_detector(load_config("mask_rcnn_r50_fpn_1x_coco.yaml", overrides).model, 3)
    backbone = (512 + 1024 + 1024 + 1024) * 2 * 2
    neck, rpn = 2 * 8 * CELLS, (8 + 3 + 12) * (CELLS + 1)
    box = 8 * 9 + 16 + 16 + 4 + 12
    found = count_kept_outputs(detector, 64, 64, samples=10, positives=7)
    assert found == round(ACTIVATED * (backbone + neck + rpn + 10 * box + 7 * of_a_box))


def test_point_rend_is_counted() -> None:
    overrides = [*SMALL, "model.mask={type: point_rend}"]
    detector = build_detector(load_config("mask_rcnn_r50_fpn_1x_coco.yaml", overrides).model, 3)
    few, many = (count_kept_outputs(detector, 64, 64, samples=10, positives=n) for n in (0, 4))
    assert few is not None
    assert many is not None
    assert many > few
