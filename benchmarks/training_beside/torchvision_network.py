"""torchvision's detectors on MobileNetV1-FPN, built from the settings of a configuration of this package.

torchvision has no MobileNetV1 of these weights, so its layers are built here under the names that ours have.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool
from torchvision.ops.misc import FrozenBatchNorm2d

STEM_CHANNELS = 32
# (output channels, stride) of the blocks of each stage
STAGES = (
    ((64, 1), (128, 2), (128, 1)),
    ((256, 2), (256, 1)),
    ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    ((1024, 2), (1024, 1)),
)
ONE_NINTH = 1 / 9


class ConvNorm(nn.Module):
    """Convolution in TensorFlow's padding, frozen batch norm, ReLU6."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        self.norm = FrozenBatchNorm2d(out_channels)
        # left, right, top, bottom
        self.padding = {(1, 1): (0, 0, 0, 0), (3, 1): (1, 1, 1, 1), (3, 2): (0, 1, 0, 1)}[kernel, stride]

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(self.norm(self.conv(functional.pad(x, self.padding))))


class SeparableBlock(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = ConvNorm(in_channels, in_channels, 3, stride, groups=in_channels)
        self.pointwise = ConvNorm(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.pointwise(self.depthwise(x))
        return result


class MobileNetV1(nn.Module):
    """Images (B, 3, H, W) to C2..C5; the first `frozen` of stem and stages do not train."""

    def __init__(self, frozen: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, 2)
        channels = STEM_CHANNELS
        stages = []
        for settings in STAGES:
            blocks = []
            for out_channels, stride in settings:
                blocks.append(SeparableBlock(channels, out_channels, stride))
                channels = out_channels
            stages.append(nn.Sequential(*blocks))
        self.stage2, self.stage3, self.stage4, self.stage5 = stages
        for part in (self.stem, *stages)[:frozen]:
            part.requires_grad_(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = {}
        x = self.stem(images)
        for name, stage in enumerate((self.stage2, self.stage3, self.stage4, self.stage5)):
            x = stage(x)
            features[str(name)] = x
        return features


class Pyramid(nn.Module):
    """MobileNetV1 and torchvision's feature pyramid."""

    def __init__(self, *, out_channels: int, frozen: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.body = MobileNetV1(frozen)
        self.fpn = FeaturePyramidNetwork([blocks[-1][0] for blocks in STAGES], out_channels, LastLevelMaxPool())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        result: dict[str, Tensor] = self.fpn(self.body(images))
        return result


def build_detector(model: dict[str, Any], classes: int) -> nn.Module:
    """Returns FasterRCNN or MaskRCNN of torchvision with the sizes of our configuration and its own conventions.

    model: the keys under `model`.
    classes: number of classes, without the background.
    """
    channels, outputs = model["fpn"]["out_channels"], classes + 1
    box, rpn, sampling, mask = model["box"], model["rpn"], model["roi_sampling"], model["mask"]
    require_torchvision(model)
    settings: dict[str, Any] = {
        "rpn_anchor_generator": AnchorGenerator(
            tuple((size,) for size in model["anchors"]["sizes"]), (tuple(model["anchors"]["aspect_ratios"]),) * 5
        ),
        "rpn_pre_nms_top_n_train": rpn["pre_nms_topk"]["train"],
        "rpn_pre_nms_top_n_test": rpn["pre_nms_topk"]["test"],
        "rpn_post_nms_top_n_train": rpn["post_nms_topk"]["train"],
        "rpn_post_nms_top_n_test": rpn["post_nms_topk"]["test"],
        "rpn_batch_size_per_image": rpn["batch_size_per_image"],
        "box_batch_size_per_image": sampling["batch_size_per_image"],
        "box_score_thresh": box["score_thresh"],
        "box_nms_thresh": box["nms_thresh"],
        "box_detections_per_img": box["detections_per_image"],
        "box_roi_pool": MultiScaleRoIAlign(["0", "1", "2", "3"], box["resolution"], sampling_ratio=2),
        "box_head": TwoMLPHead(channels * box["resolution"] ** 2, box["fc_channels"]),
        "box_predictor": FastRCNNPredictor(box["fc_channels"], outputs),
    }
    pyramid = Pyramid(out_channels=channels, frozen=model["backbone"]["frozen_stages"])
    if mask is None:
        detector: nn.Module = FasterRCNN(pyramid, **settings)
        return detector
    layers = (mask["channels"],) * mask["num_convs"]
    detector = MaskRCNN(
        pyramid,
        mask_roi_pool=MultiScaleRoIAlign(["0", "1", "2", "3"], mask["resolution"], sampling_ratio=2),
        mask_head=MaskRCNNHeads(channels, layers, dilation=1),
        mask_predictor=MaskRCNNPredictor(mask["channels"], mask["channels"], outputs),
        **settings,
    )
    return detector


def require_torchvision(model: dict[str, Any]) -> None:
    """Checks that our side has the conventions that torchvision has built in."""
    assert model["anchors"]["rounded"]
    assert not model["roi_align"]["aligned"]
    assert model["roi_align"]["sampling_ratio"] == 2
    assert model["rpn"]["normalizer"] == "sampled"
    assert model["rpn"]["smooth_l1_beta"] == model["box"]["smooth_l1_beta"] == ONE_NINTH
    assert model["roi_sampling"]["low_quality"] == "off"


def normalise(images: Tensor, sizes: Tensor, *, mean: list[float], std: list[float]) -> Tensor:
    """Returns images (B, 3, H, W) uint8 as float32, padding zero."""
    shape = (1, 3, 1, 1)
    values = (images.float() - torch.tensor(mean).reshape(shape)) / torch.tensor(std).reshape(shape)
    for image, (height, width) in zip(values, sizes.tolist(), strict=True):
        image[:, height:] = 0
        image[:, :, width:] = 0
    return values
