from dataclasses import dataclass
from typing import Literal

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindrcnn.build.mask_branches import BranchSetup
from mindrcnn.config.model import MaskConfig
from mindrcnn.config.schema import key
from mindrcnn.ops.losses import bce_with_logits
from mindrcnn.ops.mask_targets import crop_masks


@dataclass(frozen=True)
class PlainMaskConfig(MaskConfig):
    type: Literal["plain_mask"] = key("plain_mask", "Type of the mask branch.")
    side: int = key(14, "Side of pooled features and masks.", low=1)


class PlainMaskBranch(nn.Cell):
    """One convolution, the same for all classes."""

    loss_names = ("loss_mask",)

    def __init__(self, config: PlainMaskConfig, setup: BranchSetup) -> None:
        super().__init__()
        self.side, self.max_positives, self.sample_count = config.side, setup.max_positives, setup.sample_count
        self.pooler = setup.pooler(config.side)
        self.logits = nn.Conv2d(setup.in_channels, 1, 1, has_bias=True)

    def noise_shapes(self, batch: int) -> tuple[tuple[int, ...], ...]:
        return ()

    def masks(self, features: tuple[Tensor, ...], boxes: Tensor, valid: Tensor) -> Tensor:
        logits = self.logits(self.pooler(features, boxes, valid))
        return logits.reshape((*valid.shape, self.side, self.side))

    def losses(self, features: tuple[Tensor, ...], samples: tuple, gt: tuple) -> tuple[Tensor]:
        boxes, labels, _, matched_gt = [part[:, : self.max_positives] for part in samples]
        positive = labels > 0
        gt_boxes, _, _, _, gt_masks = gt
        targets = crop_masks(gt_masks, gt_boxes, matched_gt, boxes, self.side)
        errors = bce_with_logits(self.masks(features, boxes, positive), targets).mean(axis=(2, 3))
        weight = positive.astype(ms.float32)
        return ((errors * weight).sum() / self.sample_count(weight.sum()),)

    def predict(self, features: tuple[Tensor, ...], detections: tuple) -> tuple[Tensor, Tensor]:
        boxes, scores, _, valid = detections
        return ops.sigmoid(self.masks(features, boxes, valid)), scores
