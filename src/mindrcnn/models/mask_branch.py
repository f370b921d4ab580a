"""Fully convolutional mask branch (He et al., Mask R-CNN, 2017).

Letters in shapes: B images, S samples and D detections of an image, N boxes of all images, K classes, M mask side.
"""

from itertools import pairwise

import mindspore as ms
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal

from mindrcnn.models.layers import ConvNorm, HeadNorm, RoiPooler, conv, doubling_deconv, msra_normal
from mindrcnn.models.sampling import Samples
from mindrcnn.ops.conv import conv1x1, conv3x3, conv3x3_stride2
from mindrcnn.ops.losses import SampleCount, at_least_one, bce_with_logits
from mindrcnn.ops.mask_targets import crop_masks

GroundTruthBatch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]  # boxes, labels, valid, crowd, masks


class MaskConv(nn.Conv2d):
    """A 3x3 convolution of stride 1 or 2 with a bias, and ReLU."""

    def construct(self, x: Tensor, valid: Tensor) -> Tensor:
        """Returns the output for x (N, C, r, r); unspecified in rows that are not valid (N,)."""
        if self.stride == (2, 2):
            return conv3x3_stride2(x, self.weight, self.bias, relu=True, valid=valid)
        return conv3x3(x, self.weight, self.bias, relu=True, valid=valid)


class MaskHead(nn.Cell):
    """Convolutions, 2x upsampling by a transposed convolution, and one mask per class, of which one is computed.

    norm: of the 3x3 convolutions: none, with which they have a bias, or what stands in its place.
    """

    def __init__(
        self, *, in_channels: int, num_convs: int, channels: int, num_classes: int, norm: HeadNorm = "none"
    ) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * num_convs
        self.convs = nn.CellList([mask_layer(a, b, norm) for a, b in pairwise(widths)])
        self.upsample = doubling_deconv(widths[-1], channels)
        self.mask_logits = conv(channels, num_classes, kernel_size=1, weight_init=Normal(0.001))

    def construct(self, pooled: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """Returns each row's logits (N, 2r, 2r) for its own label; unspecified, and not to be used, in invalid rows.

        pooled: (N, C, r, r).
        labels: (N,) int32 in 1..K; 0 reads class 1.
        valid: (N,) bool.
        """
        hidden = pooled
        for layer in self.convs:
            hidden = layer(hidden, valid)
        rows, _, side, _ = hidden.shape
        upsampled = self.upsampled(hidden, valid)
        index = ops.relu(labels - 1)
        own_weight = ops.gather(self.mask_logits.weight[:, :, 0, 0], index, 0)
        own_bias = ops.gather(self.mask_logits.bias, index, 0)
        logits = ops.BatchMatMul()(own_weight.expand_dims(1), upsampled).reshape(rows, 2, 2, side, side)
        logits = logits.transpose(0, 3, 1, 4, 2).reshape(rows, 2 * side, 2 * side)
        return logits + own_bias.reshape(rows, 1, 1)

    def upsampled(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """Returns the transposed convolution and ReLU of hidden (N, C, r, r) as (N, C, 4 * r * r).

        Pixels are ordered by their position within the 2x2 block of a pixel of hidden, then by that pixel. It is
        computed as a 1x1 convolution to four times the channels. The next layer is a product at each pixel, so pixels
        need not move to their final positions until there is only one channel.
        """
        channels = self.upsample.weight.shape[1]
        weight = self.upsample.weight.reshape(-1, channels * 4).transpose(1, 0).reshape(channels * 4, -1, 1, 1)
        bias = ops.tile(self.upsample.bias.expand_dims(1), (1, 4)).reshape(-1)
        return conv1x1(hidden, weight, bias, relu=True, valid=valid).reshape(hidden.shape[0], channels, -1)


def mask_layer(in_channels: int, out_channels: int, norm: HeadNorm) -> nn.Cell:
    """Returns one of the 3x3 convolutions, with its activation."""
    if norm == "none":
        return conv(in_channels, out_channels, kernel_size=3, weight_init=msra_normal(), cell=MaskConv)
    return ConvNorm(in_channels=in_channels, out_channels=out_channels, kernel_size=3, norm=norm, activation="relu")


class MaskBranch(nn.Cell):
    """Mask R-CNN's branch: one mask per sample, trained with binary cross-entropy at the object's class."""

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
        """Returns no shapes: these losses use no noise."""
        return ()

    def losses(self, features: tuple[Tensor, ...], samples: Samples, gt: GroundTruthBatch) -> tuple[Tensor]:
        """Returns the mask loss, a scalar.

        features: P2..P6.
        samples: as RoiSampler returns them.
        gt: boxes, labels, valid, crowd and masks of the batch.
        """
        boxes, labels, matched_gt = self.mask_samples(samples)
        _, logits = self.own_masks(features, boxes, labels, labels > 0)
        return (self.loss(logits, self.targets(boxes, matched_gt, gt, logits.shape[-1]), labels),)

    def mask_samples(self, samples: Samples) -> tuple[Tensor, Tensor, Tensor]:
        """Returns boxes (B, S, 4), labels (B, S) and matched_gt (B, S) of the slots that can hold positives.

        S is max_positives, or fewer if there are fewer samples.
        """
        boxes, labels, _, matched_gt = samples
        count = self.max_positives
        return boxes[:, :count], labels[:, :count], matched_gt[:, :count]

    def own_masks(
        self, features: tuple[Tensor, ...], boxes: Tensor, labels: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the pooled features (B * S, C, r, r) of boxes (B, S, 4) and logits (B * S, M, M) for their labels."""
        pooled = self.pooler(features, boxes, valid)
        return pooled, self.head(pooled, labels.reshape(-1), valid.reshape(-1))

    def targets(self, boxes: Tensor, matched_gt: Tensor, gt: GroundTruthBatch, side: int) -> Tensor:
        """Returns binary masks (B * S, side, side) of the matched objects in the frame of each sample's box."""
        gt_boxes, _, _, _, gt_masks = gt
        return ops.stop_gradient(crop_masks(gt_masks, gt_boxes, matched_gt, boxes, side)).reshape(-1, side, side)

    def loss(self, logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        """Returns the mean over the samples with a label, times `weight`.

        logits, targets: (B * S, M, M).
        labels: (B, S).
        """
        positive = (labels > 0).astype(ms.float32).reshape(-1)
        errors = bce_with_logits(logits, targets).mean(axis=(1, 2))
        return (errors * positive).sum() * (self.weight / self.sample_count(positive.sum()))

    def predict(
        self, features: tuple[Tensor, ...], detections: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Returns mask probabilities (B, D, M, M) of each detection's class in its own box, and mask scores (B, D).

        The mask scores are the class scores here.

        features: P2..P6.
        detections: boxes (B, D, 4), scores (B, D), labels (B, D), valid (B, D).
        """
        boxes, scores, labels, valid = detections
        _, logits = self.own_masks(features, boxes, labels, valid)
        return ops.sigmoid(logits).reshape(labels.shape + logits.shape[1:]), scores
