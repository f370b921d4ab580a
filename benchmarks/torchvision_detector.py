"""torchvision's inference and training steps, equal to those of this package."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import resnet50
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from torchvision.ops.misc import FrozenBatchNorm2d

from benchmarks.scene import CLASSES, POSITIVE_IOU, bitmaps, make_scene
from benchmarks.worker import Prepared

DETECTORS = {"faster_rcnn": FasterRCNN, "mask_rcnn": MaskRCNN}
FROZEN = ("conv1", "bn1", "layer1")  # stem and first stage, as in our configurations and torchvision's default
STAGES = ("layer1", "layer2", "layer3", "layer4")
STAGE_CHANNELS, PYRAMID_CHANNELS = [256, 512, 1024, 2048], 256
CANDIDATES = 1000  # class-box pairs of an image that pass the score threshold; MindRCNN keeps the best 1000 before NMS
RESIDUAL_SCALE = 0.2  # as in mindrcnn_detector.py
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 1e-6, 0.9, 1e-4


def random_detector(head: str, height: int, width: int, **settings: Any) -> nn.Module:
    """Builds R50-FPN with torchvision's defaults, frozen batch norm and random weights, for inputs of one size."""
    torch.manual_seed(0)
    trunk = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    for block in trunk.modules():
        if isinstance(block, Bottleneck):
            block.bn3.weight.fill_(RESIDUAL_SCALE)
    detector: nn.Module = DETECTORS[head](
        pyramid(trunk),
        num_classes=CLASSES + 1,
        min_size=min(height, width),
        max_size=max(height, width),
        box_score_thresh=0.0,
        box_fg_iou_thresh=POSITIVE_IOU,
        box_bg_iou_thresh=POSITIVE_IOU,
        **settings,
    )
    return detector


def pyramid(trunk: ResNet) -> BackboneWithFPN:
    """Returns the trunk with FPN, its first stages frozen."""
    for name in FROZEN:
        getattr(trunk, name).requires_grad_(False)
    levels = {stage: str(level) for level, stage in enumerate(STAGES)}
    return BackboneWithFPN(trunk, levels, STAGE_CHANNELS, PYRAMID_CHANNELS, extra_blocks=LastLevelMaxPool())


def inference(
    *,
    head: str,
    batch: int,
    height: int,
    width: int,
    proposals: int = 1000,
    layout: torch.memory_format = torch.contiguous_format,
) -> Prepared:
    """Prepares float32 images to detections, with masks pasted into the images but not encoded."""
    model = random_detector(head, height, width, rpn_post_nms_top_n_test=proposals).eval()
    model = model.to(memory_format=layout)
    images = inference_images(batch, height, width)
    facts: dict[str, Any] = {"score_thresh": set_score_thresh(model, images)}

    @torch.inference_mode()
    def run() -> None:
        found = model(images)
        facts["detections"] = [len(image["boxes"]) for image in found]

    return Prepared(run=run, facts=lambda: facts)


@torch.inference_mode()
def set_score_thresh(model: nn.Module, images: list[Tensor]) -> float:
    """Sets the threshold that CANDIDATES class-box pairs of an image pass; returns it.

    With 0 all 90,000 would enter NMS, which never happens with a trained model.
    """
    seen: list[Tensor] = []
    predictor = model.roi_heads.box_predictor
    hook = predictor.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0]))
    heads, model.roi_heads.detections_per_img = model.roi_heads.detections_per_img, 1
    model.roi_heads.score_thresh = 2.0  # nothing passes: this run only collects the scores
    model(images)
    hook.remove()
    scores = seen[0].softmax(-1)[:, 1:].flatten()
    thresh = float(scores.kthvalue(len(scores) - CANDIDATES * len(images)).values)
    model.roi_heads.detections_per_img, model.roi_heads.score_thresh = heads, thresh
    return thresh


def inference_images(batch: int, height: int, width: int) -> list[Tensor]:
    """Returns float32 images in 0..1, as torchvision takes them."""
    scene = make_scene(batch=batch, height=height, width=width, objects=1)
    return [torch.from_numpy(image).float() / 255 for image in scene.images]


def build_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Returns SGD over the trainable parameters."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.SGD(parameters, lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)


def training_batch(batch: int, height: int, width: int, objects: int) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Returns images, and their objects with masks of the whole image."""
    scene = make_scene(batch=batch, height=height, width=width, objects=objects)
    images = [torch.from_numpy(image).float() / 255 for image in scene.images]
    targets = [
        {
            "boxes": torch.from_numpy(boxes),
            "labels": torch.from_numpy(labels.astype(np.int64)),
            "masks": torch.from_numpy(bitmaps(boxes, height=height, width=width)),
        }
        for boxes, labels in zip(scene.boxes, scene.labels, strict=True)
    ]
    return images, targets


def channels_last_inference(**settings: Any) -> Prepared:
    """Prepares `inference` with weights and maps in PyTorch's faster layout."""
    return inference(**settings, layout=torch.channels_last)


def channels_last_training(**settings: Any) -> Prepared:
    """Prepares `training` with weights and maps in PyTorch's faster layout."""
    return training(**settings, layout=torch.channels_last)


def training(
    *,
    head: str,
    batch: int,
    height: int,
    width: int,
    objects: int,
    slots: int = 128,
    proposals: int = 2000,
    layout: torch.memory_format = torch.contiguous_format,
) -> Prepared:
    """Prepares one optimization step. `slots` is ignored, because torchvision does not pad objects."""
    model = random_detector(head, height, width, rpn_post_nms_top_n_train=proposals).train()
    model = model.to(memory_format=layout)
    optimizer = build_optimizer(model)
    images, targets = training_batch(batch, height, width, objects)
    facts: dict[str, Any] = {"parameters": len(optimizer.param_groups[0]["params"])}
    count_samples(model, facts)

    def run() -> None:
        losses = model(images, targets)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        facts["losses"] = {name: float(loss.detach()) for name, loss in losses.items()}

    return Prepared(run=run, facts=lambda: facts)


def count_samples(model: nn.Module, facts: dict[str, Any]) -> None:
    """Records in `facts` how many samples and positives each step trains on."""
    heads = model.roi_heads
    select = heads.select_training_samples

    def counted(*arguments: Any) -> Any:
        chosen = select(*arguments)
        facts["samples"] = [len(labels) for labels in chosen[2]]
        facts["positives"] = [int((labels > 0).sum()) for labels in chosen[2]]
        return chosen

    heads.select_training_samples = counted
