"""Region proposal network (Ren et al., Faster R-CNN, 2015) on a feature pyramid (Lin et al., FPN, 2017).

Letters in shapes: B images, G ground-truth slots, A anchors of all levels, A_l anchors of level l, P proposals.
"""

import math
from typing import Literal

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal

from mindrcnn.models.layers import conv
from mindrcnn.models.proposals import RPN_CODER_WEIGHTS, ProposalSelector
from mindrcnn.models.sampling import CandidateSampler
from mindrcnn.ops.coder import encode
from mindrcnn.ops.conv import conv1x1_twice, conv3x3
from mindrcnn.ops.gather import take_rows
from mindrcnn.ops.losses import SampleCount, at_least_one, bce_with_logits, smooth_l1

STRIDES = (4, 8, 16, 32, 64)  # P2..P6


class RPNConv(nn.Conv2d):
    """A 3x3 convolution with a bias, and ReLU."""

    def construct(self, x: Tensor) -> Tensor:
        """Returns the output (B, C, H, W) for x (B, C, H, W)."""
        return conv3x3(x, self.weight, self.bias, relu=True)


class RPNHead(nn.Cell):
    """One or more 3x3 convolutions, then objectness and box deltas for every anchor; all levels share the weights."""

    def __init__(self, *, channels: int, anchors_per_cell: int, num_convs: int = 1) -> None:
        super().__init__()
        convs = [
            conv(channels, channels, kernel_size=3, weight_init=Normal(0.01), cell=RPNConv) for _ in range(num_convs)
        ]
        self.conv = convs[0] if num_convs == 1 else nn.SequentialCell(convs)
        self.objectness = conv(channels, anchors_per_cell, kernel_size=1, weight_init=Normal(0.01))
        self.deltas = conv(channels, 4 * anchors_per_cell, kernel_size=1, weight_init=Normal(0.01))

    def construct(self, features: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Returns per level logits (B, A_l) and deltas (B, A_l, 4) in the order of ops.anchors.grid_anchors."""
        objectness: tuple[Tensor, ...] = ()
        deltas: tuple[Tensor, ...] = ()
        for feature in features:
            hidden = self.conv(feature)
            batch = feature.shape[0]
            logits, boxes = conv1x1_twice(
                hidden, self.objectness.weight, self.objectness.bias, self.deltas.weight, self.deltas.bias
            )
            objectness += (logits.transpose(0, 2, 3, 1).reshape(batch, -1),)
            deltas += (boxes.transpose(0, 2, 3, 1).reshape(batch, -1, 4),)
        return objectness, deltas


@ms.ops.constexpr
def level_anchors(
    feature_size: tuple[int, int], stride: int, size: float, aspect_ratios: tuple[float, ...], rounded: bool
) -> Tensor:
    """Returns the anchors (A_l, 4) of one level as a constant of the compiled graph.

    Arguments are those of ops.anchors.grid_anchors for one level.
    """
    return Tensor(grid_anchors((feature_size,), (stride,), (size,), aspect_ratios, rounded))


class AnchorGenerator(nn.Cell):
    """Anchors for the shapes of the given feature maps."""

    def __init__(self, *, sizes: tuple[float, ...], aspect_ratios: tuple[float, ...], rounded: bool) -> None:
        super().__init__()
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.rounded = rounded

    def counts(self, height: int, width: int) -> tuple[int, ...]:
        """Returns the number of anchors of each level for an input of height x width pixels."""
        cells = (math.ceil(height / stride) * math.ceil(width / stride) for stride in STRIDES)
        return tuple(count * len(self.aspect_ratios) for count in cells)

    def construct(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Returns the anchors (A_l, 4) of each level."""
        anchors: tuple[Tensor, ...] = ()
        for level in range(len(features)):
            height, width = features[level].shape[2:]
            anchors += (
                level_anchors((height, width), STRIDES[level], self.sizes[level], self.aspect_ratios, self.rounded),
            )
        return anchors


class AnchorSampler(nn.Cell):
    """Matching of anchors with objects, and sampling of those that train the RPN (Faster R-CNN, section 3.1.2)."""

    def __init__(self, *, candidates: CandidateSampler) -> None:
        super().__init__()
        self.candidates = candidates
        self.batch_size_per_image = candidates.batch_size_per_image

    def construct(
        self, anchors: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Returns the result of CandidateSampler.

        anchors: (A, 4) float32.
        gt_boxes: (B, G, 4) float32.
        gt_valid: (B, G) bool.
        gt_crowd: (B, G) bool.
        noise: (B, A) float32 in [0, 1).
        """
        return self.candidates(anchors, ops.ones(noise.shape, ms.bool_), gt_boxes, gt_valid, gt_crowd, noise)


class RPNLoss(nn.Cell):
    """Binary cross-entropy over sampled anchors, smooth L1 over the positive ones."""

    def __init__(
        self,
        *,
        sampler: AnchorSampler,
        normalizer: Literal["batch_size", "sampled"],
        smooth_l1_beta: float,
        class_weight: float,
        box_weight: float,
        sample_count: SampleCount = at_least_one,
    ) -> None:
        super().__init__()
        self.sampler = sampler
        self.normalizer = normalizer
        self.smooth_l1_beta = smooth_l1_beta
        self.class_weight = class_weight
        self.box_weight = box_weight
        self.sample_count = sample_count

    def construct(
        self,
        objectness: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        gt_boxes: Tensor,
        gt_valid: Tensor,
        gt_crowd: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Returns the objectness loss and the box loss, two scalars.

        objectness: (B, A) logits.
        deltas: (B, A, 4).
        anchors: (A, 4).
        gt_boxes: (B, G, 4) float32.
        gt_valid: (B, G) bool.
        gt_crowd: (B, G) bool.
        noise: (B, A) float32 in [0, 1).
        """
        pos_index, pos_valid, neg_index, neg_valid, matched_gt = self.sampler(
            anchors, gt_boxes, gt_valid, gt_crowd, noise
        )
        pos_weight, neg_weight = pos_valid.astype(ms.float32), neg_valid.astype(ms.float32)
        pos_logits, neg_logits = take_rows(objectness, pos_index), take_rows(objectness, neg_index)
        positive_loss = (bce_with_logits(pos_logits, ops.ones_like(pos_logits)) * pos_weight).sum()
        negative_loss = (bce_with_logits(neg_logits, ops.zeros_like(neg_logits)) * neg_weight).sum()

        pos_gt = take_rows(gt_boxes, take_rows(matched_gt, pos_index))
        pos_anchors = ops.gather(anchors, pos_index.reshape(-1), 0).reshape(pos_gt.shape)
        targets = ops.stop_gradient(encode(pos_gt, pos_anchors, RPN_CODER_WEIGHTS))
        box_errors = smooth_l1(take_rows(deltas, pos_index), targets, self.smooth_l1_beta)
        box_loss = (box_errors * pos_weight.expand_dims(2)).sum()

        if self.normalizer == "batch_size":
            count = 1.0 * self.sampler.batch_size_per_image * objectness.shape[0]
        else:
            count = self.sample_count(pos_weight.sum() + neg_weight.sum())
        return (
            (positive_loss + negative_loss) * (self.class_weight / count),
            box_loss * (self.box_weight / count),
        )


class RegionProposalNetwork(nn.Cell):
    """Head, anchors, losses and proposals."""

    loss_names = ("loss_rpn_cls", "loss_rpn_box")

    def __init__(self, *, head: RPNHead, anchors: AnchorGenerator, loss: RPNLoss, selector: ProposalSelector) -> None:
        super().__init__()
        self.head = head
        self.anchors = anchors
        self.loss = loss
        self.selector = selector

    def losses_and_proposals(
        self,
        features: tuple[Tensor, ...],
        image_sizes: Tensor,
        gt_boxes: Tensor,
        gt_valid: Tensor,
        gt_crowd: Tensor,
        noise: Tensor,
    ) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """Returns the two losses, the training proposals (B, P, 4) and their valid mask (B, P).

        The proposals and their mask have no gradient.

        features: P2..P6.
        image_sizes: (B, 2) int32 (h, w).
        gt_boxes: (B, G, 4) float32.
        gt_valid: (B, G) bool.
        gt_crowd: (B, G) bool.
        noise: (B, A) float32 in [0, 1).
        """
        objectness, deltas = self.head(features)
        anchors = self.anchors(features)
        losses = self.loss(
            ops.cat(objectness, axis=1),
            ops.cat(deltas, axis=1),
            ops.cat(anchors, axis=0),
            gt_boxes,
            gt_valid,
            gt_crowd,
            noise,
        )
        detached_objectness: tuple[Tensor, ...] = ()
        detached_deltas: tuple[Tensor, ...] = ()
        for level in range(len(objectness)):
            detached_objectness += (ops.stop_gradient(objectness[level]),)
            detached_deltas += (ops.stop_gradient(deltas[level]),)
        proposals, _, valid = self.selector(detached_objectness, detached_deltas, anchors, image_sizes, True)
        return losses, proposals, valid

    def proposals(self, features: tuple[Tensor, ...], image_sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns inference proposals: boxes (B, P, 4) best first, logits (B, P), valid (B, P)."""
        objectness, deltas = self.head(features)
        return self.selector(objectness, deltas, self.anchors(features), image_sizes, False)


def cell_anchors(size: float, ratios: tuple[float, ...], rounded: bool) -> np.ndarray:
    """Returns anchors (A, 4) float32 around (0, 0), one per ratio (height / width), each with area size squared.

    `rounded` rounds the corners to whole pixels, halves to even, as torchvision does.
    """
    height_factor = np.sqrt(np.asarray(ratios, np.float64))
    half_height = size * height_factor / 2
    half_width = size / height_factor / 2
    anchors = np.stack((-half_width, -half_height, half_width, half_height), axis=1)
    return (np.round(anchors) if rounded else anchors).astype(np.float32)


def grid_anchors(
    feature_sizes: tuple[tuple[int, int], ...],
    strides: tuple[int, ...],
    sizes: tuple[float, ...],
    ratios: tuple[float, ...],
    rounded: bool,
) -> np.ndarray:
    """Returns the anchors of all levels, (sum(h * w * A), 4) float32 in input pixels.

    Order: level, row, column, with the ratio innermost.

    feature_sizes: (h, w) of each level.
    strides: stride of each level, input pixels.
    sizes: anchor size of each level, input pixels.
    ratios: height / width of the anchors at each cell.
    rounded: round the corners of the anchors to whole pixels.
    """
    levels = [
        _level_anchors(feature_size, stride, cell_anchors(size, ratios, rounded))
        for feature_size, stride, size in zip(feature_sizes, strides, sizes, strict=True)
    ]
    return np.concatenate(levels)


def _level_anchors(feature_size: tuple[int, int], stride: int, cell: np.ndarray) -> np.ndarray:
    height, width = feature_size
    y, x = np.meshgrid(np.arange(height) * stride, np.arange(width) * stride, indexing="ij")
    shifts = np.stack((x, y, x, y), axis=-1).astype(np.float32)
    return (shifts[:, :, None, :] + cell).reshape(-1, 4)
