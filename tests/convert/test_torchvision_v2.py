"""torchvision's maskrcnn_resnet50_fpn_v2 itself, where it is installed, against the imported model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.convert.importer import Options, import_detector
from mindrcnn.weights.read import WeightsFile

HEIGHT, WIDTH = 64, 96
BOXES = 3
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """The model with random weights and statistics."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    detection = pytest.importorskip("torchvision.models.detection", reason="torchvision is not installed")
    torch.manual_seed(0)
    model = detection.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).eval()
    for norm in (module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        torch.nn.init.normal_(norm.running_mean, std=0.1)
        torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
        torch.nn.init.uniform_(norm.weight, 0.3, 0.8)
        torch.nn.init.normal_(norm.bias, std=0.1)
    return model


def compare(ours: Tensor, wanted: Any) -> None:
    expected = wanted.numpy().reshape(ours.shape)
    assert np.abs(ours.asnumpy() - expected).max() < 2e-5 * np.abs(expected).max()


def test_all_parts_give_the_same(theirs: Any) -> None:
    import torch

    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    imported = import_detector(WeightsFile(Path("v2.pth"), "torch", state), None, Options(all_outputs=True))
    ours = imported.detector.set_train(False)
    image = torch.rand(1, 3, HEIGHT, WIDTH)
    normal = (image - torch.tensor(MEAN).reshape(3, 1, 1)) / torch.tensor(STD).reshape(3, 1, 1)
    boxes, masks = torch.randn(BOXES, 256, 7, 7), torch.randn(BOXES, 256, 14, 14)
    with torch.no_grad():
        pyramid = list(theirs.backbone(normal).values())
        objectness, _ = theirs.rpn.head(pyramid)
        logits, deltas = theirs.roi_heads.box_predictor(theirs.roi_heads.box_head(boxes))
        probabilities = theirs.roi_heads.mask_predictor(theirs.roi_heads.mask_head(masks))
    features = ours.features(Tensor(image.numpy() * 255), Tensor(np.array([[HEIGHT, WIDTH]], np.int32)))
    for feature, wanted in zip(features, pyramid, strict=True):
        compare(feature, wanted)
    for level, wanted in zip(ours.rpn.head(features)[0], objectness, strict=True):
        compare(level, wanted.permute(0, 2, 3, 1))
    valid = Tensor(np.ones(BOXES, bool))
    our_logits, our_deltas = ours.box.head(Tensor(boxes.numpy()), valid)
    compare(our_logits, logits)
    compare(our_deltas, deltas[:, 4:])  # theirs has a row for the background
    labels = np.arange(1, BOXES + 1, dtype=np.int32)
    our_masks = ours.mask.head(Tensor(masks.numpy()), Tensor(labels), valid)
    compare(our_masks, torch.stack([probabilities[row, label] for row, label in enumerate(labels)]))
