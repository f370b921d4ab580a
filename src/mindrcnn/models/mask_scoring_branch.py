"""Mask scoring: a head that predicts the IoU of each mask with its object (Huang et al., Mask Scoring R-CNN, 2019).

Letters in shapes as in mask_branch.py.
"""

import mindspore as ms
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal

from mindrcnn.models.layers import conv, dense, msra_normal, xavier_fill
from mindrcnn.models.mask_branch import GroundTruthBatch, MaskBranch, MaskConv
from mindrcnn.models.sampling import Samples
from mindrcnn.ops.gather import take_class
from mindrcnn.ops.losses import SampleCount, at_least_one
from mindrcnn.ops.mask_iou import iou_with_whole, share_inside


class MaskIoUHead(nn.Cell):
    """Convolutions over the features and the mask, the last of stride 2, two fully connected layers, one IoU per class.

    Initial values as in maskscoring_rcnn and mmdetection.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        resolution: int,
        num_convs: int,
        channels: int,
        fc_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        inputs = [in_channels + 1] + [channels] * (num_convs - 1)  # the mask is one more channel
        strides = [1] * (num_convs - 1) + [2]
        self.convs = nn.CellList(
            [
                conv(width, channels, kernel_size=3, stride=stride, weight_init=msra_normal(), cell=MaskConv)
                for width, stride in zip(inputs, strides, strict=True)
            ]
        )
        halved = (resolution + 1) // 2
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc1 = dense(channels * halved * halved, fc_channels, weight_init=xavier_fill())
        self.fc2 = dense(fc_channels, fc_channels, weight_init=xavier_fill())
        self.iou = dense(fc_channels, num_classes, weight_init=Normal(0.01))

    def construct(self, pooled: Tensor, masks: Tensor, valid: Tensor) -> Tensor:
        """Returns IoUs (N, K), not limited to 0..1; unspecified, and not to be used, in rows that are not valid.

        pooled: (N, C, r, r), the features of the mask head.
        masks: (N, 2r, 2r) probabilities.
        valid: (N,) bool.
        """
        hidden = ops.cat((pooled, self.pool(masks.expand_dims(1))), axis=1)
        for layer in self.convs:
            hidden = layer(hidden, valid)
        hidden = ops.relu(self.fc1(hidden.reshape(hidden.shape[0], -1)))
        return self.iou(ops.relu(self.fc2(hidden)))


class MaskScoringBranch(nn.Cell):
    """Mask R-CNN's branch and the IoU of its masks, both computed from the same pooled features.

    The IoU loss also trains the mask head, through the mask that the IoU head reads: neither maskscoring_rcnn nor
    mmdetection stops that gradient.
    """

    loss_names = (*MaskBranch.loss_names, "loss_mask_iou")

    def __init__(
        self,
        *,
        mask: MaskBranch,
        iou_head: MaskIoUHead,
        mask_logit_thresh: float,
        area_eps: float,
        weight: float,
        sample_count: SampleCount = at_least_one,
    ) -> None:
        super().__init__()
        self.mask = mask
        self.iou_head = iou_head
        self.mask_logit_thresh = mask_logit_thresh
        self.area_eps = area_eps
        self.weight = weight
        self.sample_count = sample_count

    def noise_shapes(self, batch: int) -> tuple[tuple[int, ...], ...]:
        """Returns the shapes of the mask branch, which uses no noise."""
        return self.mask.noise_shapes(batch)

    def losses(self, features: tuple[Tensor, ...], samples: Samples, gt: GroundTruthBatch) -> tuple[Tensor, Tensor]:
        """Returns the mask loss and the IoU loss, two scalars.

        features: P2..P6.
        samples: as RoiSampler returns them.
        gt: boxes, labels, valid, crowd and masks of the batch.
        """
        boxes, labels, matched_gt = self.mask.mask_samples(samples)
        positive = labels > 0
        pooled, logits = self.mask.own_masks(features, boxes, labels, positive)
        targets = self.mask.targets(boxes, matched_gt, gt, logits.shape[-1])
        gt_boxes, _, _, _, gt_masks = gt
        share = share_inside(gt_masks, gt_boxes, matched_gt, boxes).reshape(-1)
        binary = (logits > self.mask_logit_thresh).astype(ms.float32)
        true_ious = iou_with_whole(binary, targets, share, self.area_eps)
        ious = self.own_ious(pooled, ops.sigmoid(logits), labels, positive)
        return self.mask.loss(logits, targets, labels), self.iou_loss(ious, true_ious, labels)

    def own_ious(self, pooled: Tensor, masks: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """Returns the predicted IoU (N,) of masks (N, M, M) for their own labels (B, S), N = B * S.

        Those of rows that are not valid (B, S) are unspecified.
        """
        return take_class(self.iou_head(pooled, masks, valid.reshape(-1)), labels.reshape(-1))

    def iou_loss(self, ious: Tensor, true_ious: Tensor, labels: Tensor) -> Tensor:
        """Returns the mean of 0.5 (p - t)^2 over the samples with a label and a true IoU above 0, times `weight`."""
        counted = ops.logical_and(labels.reshape(-1) > 0, true_ious > 0).astype(ms.float32)
        difference = ious - true_ious
        errors = 0.5 * difference * difference
        return (errors * counted).sum() * (self.weight / self.sample_count(counted.sum()))

    def predict(
        self, features: tuple[Tensor, ...], detections: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Returns mask probabilities (B, D, M, M) of each detection's class in its own box, and mask scores (B, D).

        The mask scores are the class scores times the predicted IoUs.

        features: P2..P6.
        detections: boxes (B, D, 4), scores (B, D), labels (B, D), valid (B, D).
        """
        boxes, scores, labels, valid = detections
        pooled, logits = self.mask.own_masks(features, boxes, labels, valid)
        masks = ops.sigmoid(logits)
        ious = self.own_ious(pooled, masks, labels, valid)
        return masks.reshape(labels.shape + masks.shape[1:]), scores * ious.reshape(scores.shape)
