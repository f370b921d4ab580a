"""Fully convolutional mask branch (He et al., Mask R-CNN, 2017)."""

from itertools import pairwise

import mindspore as ms
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal

from mindrcnn.models.layers import RoiPooler, conv, doubling_deconv, msra_normal
from mindrcnn.ops.conv import conv1x1, conv3x3
from mindrcnn.ops.losses import SampleCount, at_least_one, bce_with_logits
from mindrcnn.ops.mask_targets import crop_masks

Samples = tuple[Tensor, Tensor, Tensor, Tensor]
GroundTruth = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class MaskHead(nn.Cell):
    """Convolutions, 2x upsampling by a transposed convolution, one mask per class, of which one is asked for."""

    def __init__(self, *, in_channels: int, num_convs: int, channels: int, num_classes: int) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * num_convs
        self.convs = nn.CellList([conv(a, b, kernel_size=3, weight_init=msra_normal()) for a, b in pairwise(widths)])
        self.upsample = doubling_deconv(widths[-1], channels)
        self.mask_logits = conv(channels, num_classes, kernel_size=1, weight_init=Normal(0.001))

    def construct(self, pooled: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """pooled N,C,r,r; labels N int32 in 1..K (0 reads class 1); valid N bool.

        Returns each row's logits N,2r,2r at its own label; those of rows that are not valid are not to be used.
        """
        hidden = pooled
        for layer in self.convs:
            hidden = conv3x3(hidden, layer.weight, layer.bias, relu=True, valid=valid)
        rows, _, side, _ = hidden.shape
        upsampled = self.upsampled(hidden, valid)
        index = ops.clamp(labels - 1, 0)
        own_weight = ops.gather(self.mask_logits.weight[:, :, 0, 0], index, 0)
        own_bias = ops.gather(self.mask_logits.bias, index, 0)
        logits = ops.BatchMatMul()(own_weight.expand_dims(1), upsampled).reshape(rows, 2, 2, side, side)
        logits = logits.transpose(0, 3, 1, 4, 2).reshape(rows, 2 * side, 2 * side)
        return logits + own_bias.reshape(rows, 1, 1)

    def upsampled(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """hidden N,C,r,r behind transposed convolution and ReLU, as N,C,4*r*r: pixels ordered by their place within
        the 2x2 block of a pixel of hidden, then of that pixel.

        As a 1x1 convolution to four times the channels. What follows is a product at each pixel, so the pixels need not
        be put into their places before there is but one channel.
        """
        channels = self.upsample.weight.shape[1]
        weight = self.upsample.weight.reshape(-1, channels * 4).transpose(1, 0).reshape(channels * 4, -1, 1, 1)
        bias = ops.tile(self.upsample.bias.expand_dims(1), (1, 4)).reshape(-1)
        return conv1x1(hidden, weight, bias, relu=True, valid=valid).reshape(hidden.shape[0], channels, -1)


def own_class(logits: Tensor, labels: Tensor) -> Tensor:
    """Masks N,M,M of each row's own class, from logits N,K,M,M and labels N int32 in 1..K (0 reads class 1)."""
    rows, num_classes, side = logits.shape[:3]
    index = ops.arange(rows).astype(ms.int32) * num_classes + ops.clamp(labels - 1, 0)
    return ops.gather(logits.reshape(rows * num_classes, -1), index, 0).reshape(rows, side, side)


class MaskBranch(nn.Cell):
    """Mask R-CNN's branch: a mask per sample, binary cross entropy at the object's class."""

    loss_names = ("loss_mask",)

    def __init__(
        self,
        *,
        pooler: RoiPooler,
        head: MaskHead,
        max_positives: int,
        weight: float,
        sample_count: SampleCount = at_least_one,
    ) -> None:
        super().__init__()
        self.pooler = pooler
        self.head = head
        self.max_positives = max_positives
        self.weight = weight
        self.sample_count = sample_count

    def noise_shapes(self, batch: int) -> tuple[tuple[int, ...], ...]:
        """None: these losses are not random."""
        return ()

    def losses(self, features: tuple[Tensor, ...], samples: Samples, gt: GroundTruth) -> tuple[Tensor]:
        """features P2..P6; samples as RoiSampler returns them; gt: boxes, labels, valid, crowd, masks of the batch."""
        boxes, labels, matched_gt = self.mask_samples(samples)
        _, logits = self.own_masks(features, boxes, labels, labels > 0)
        return (self.loss(logits, self.targets(boxes, matched_gt, gt, logits.shape[-1]), labels),)

    def mask_samples(self, samples: Samples) -> tuple[Tensor, Tensor, Tensor]:
        """The slots that can hold positives: boxes B,S,4, labels B,S, matched_gt B,S with S up to max_positives."""
        boxes, labels, _, matched_gt = samples
        count = min(self.max_positives, boxes.shape[1])
        return boxes[:, :count], labels[:, :count], matched_gt[:, :count]

    def own_masks(
        self, features: tuple[Tensor, ...], boxes: Tensor, labels: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pooled features B*S,C,r,r of boxes B,S,4 and their logits B*S,M,M at each box's own label."""
        pooled = self.pooler(features, boxes, valid)
        return pooled, self.head(pooled, labels.reshape(-1), valid.reshape(-1))

    def targets(self, boxes: Tensor, matched_gt: Tensor, gt: GroundTruth, side: int) -> Tensor:
        """Binary masks B*S,side,side of the matched objects in the frame of each sample's box."""
        gt_boxes, _, _, _, gt_masks = gt
        return ops.stop_gradient(crop_masks(gt_masks, gt_boxes, matched_gt, boxes, side)).reshape(-1, side, side)

    def loss(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Mean over the samples with a label, times `weight`; logits and targets B*S,M,M; labels B,S."""
        positive = (labels > 0).astype(ms.float32).reshape(-1)
        errors = bce_with_logits(logits, targets).mean(axis=(1, 2))
        return (errors * positive).sum() * (self.weight / self.sample_count(positive.sum()))

    def predict(
        self, features: tuple[Tensor, ...], detections: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """detections (boxes B,D,4, scores B,D, labels B,D, valid B,D).

        Returns mask probabilities B,D,M,M of each detection's class in its own box, and mask scores B,D, here the class
        scores.
        """
        boxes, scores, labels, valid = detections
        _, logits = self.own_masks(features, boxes, labels, valid)
        return ops.sigmoid(logits).reshape(labels.shape + logits.shape[1:]), scores
