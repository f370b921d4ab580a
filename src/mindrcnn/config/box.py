"""The keys under `model.box`: head, loss and selection of detections of the second stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrcnn.config.schema import key, require


@dataclass(frozen=True)
class BoxConfig:
    """Second-stage classification and box regression, and the selection of detections."""

    resolution: int = key(7, "Side of the pooled feature.", low=1, high=128)
    num_convs: int = key(
        0, "Number of 3x3 convolutions before the fully connected layers (4conv1fc: 4).", low=0, high=8
    )
    conv_channels: int = key(256, "Width of those convolutions.", low=1, high=65536)
    norm: Literal["group", "sync_batch", "frozen"] = key("group", "Norm of those convolutions, as in model.fpn.norm.")
    num_fcs: int = key(2, "Number of fully connected layers (4conv1fc: 1).", low=1, high=2)
    fc_channels: int = key(1024, "Width of the fully connected layers.", low=1, high=65536)
    coder_weights: tuple[float, float, float, float] = key(
        (10.0, 10.0, 5.0, 5.0), "Weights of dx, dy, dw, dh in the box encoding.", low=1e-6
    )
    box_loss: Literal["smooth_l1", "giou"] = key(
        "smooth_l1", "smooth_l1: of the deltas; giou: 1 - GIoU of the boxes (mmdetection trains it with box_weight 10)."
    )
    smooth_l1_beta: float = key(0.0, "Distance at which smooth L1 becomes linear; 0 is plain L1.", low=0)
    class_weight: float = key(1.0, "Weight of the classification loss.", low=0)
    box_weight: float = key(1.0, "Weight of the box loss.", low=0)
    score_thresh: float = key(0.05, "Detections at or below this score are dropped.", low=0, high=1)
    nms_thresh: float = key(0.5, "IoU above which the weaker of two detections of one class is dropped.", low=0, high=1)
    detections_per_image: int = key(100, "Detections kept per image over all classes.", low=1, high=10000)
    pre_nms_topk: int = key(
        1000, "Number of best-scoring class-box pairs of an image that enter NMS.", low=1, high=100000
    )
    class_agnostic: bool = key(
        False, "One box regressor for all classes instead of one for each (mmdetection's reg_class_agnostic)."
    )
    train_on_pred_boxes: bool = key(
        False, "Train the mask branch on the boxes predicted for the samples instead of the sampled boxes."
    )

    def __post_init__(self) -> None:
        fits = not self.num_convs or self.norm != "group" or self.conv_channels % 32 == 0
        require(fits, "model.box.conv_channels", "a multiple of 32 with norm group", self.conv_channels)
