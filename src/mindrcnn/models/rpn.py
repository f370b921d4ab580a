"""Region proposal network (Ren et al., Faster R-CNN, 2015) on a feature pyramid (Lin et al., FPN, 2017)."""

import math

import mindspore as ms
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal

from mindrcnn.models.layers import conv
from mindrcnn.models.proposals import ProposalSelector
from mindrcnn.models.rpn_loss import RPNLoss
from mindrcnn.ops.anchors import grid_anchors
from mindrcnn.ops.conv import conv3x3

STRIDES = (4, 8, 16, 32, 64)  # P2..P6


class RPNHead(nn.Cell):
    """3x3 convolution, then objectness and box deltas for every anchor; one set of weights for all levels."""

    def __init__(self, *, channels: int, anchors_per_cell: int) -> None:
        super().__init__()
        self.conv = conv(channels, channels, kernel_size=3, weight_init=Normal(0.01))
        self.objectness = conv(channels, anchors_per_cell, kernel_size=1, weight_init=Normal(0.01))
        self.deltas = conv(channels, 4 * anchors_per_cell, kernel_size=1, weight_init=Normal(0.01))

    def construct(self, features: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Per level: logits B,A_l and deltas B,A_l,4 in the order of ops.anchors.grid_anchors."""
        objectness: tuple[Tensor, ...] = ()
        deltas: tuple[Tensor, ...] = ()
        for feature in features:
            hidden = conv3x3(feature, self.conv.weight, self.conv.bias, relu=True)
            batch = feature.shape[0]
            objectness += (self.objectness(hidden).transpose(0, 2, 3, 1).reshape(batch, -1),)
            deltas += (self.deltas(hidden).transpose(0, 2, 3, 1).reshape(batch, -1, 4),)
        return objectness, deltas


@ms.ops.constexpr
def level_anchors(
    feature_size: tuple[int, int], stride: int, size: float, aspect_ratios: tuple[float, ...], rounded: bool
) -> Tensor:
    """Anchors of one level as a constant A_l,4 of the compiled graph."""
    return Tensor(grid_anchors((feature_size,), (stride,), (size,), aspect_ratios, rounded))


class AnchorGenerator(nn.Cell):
    """Anchors for the shapes of the feature maps at hand."""

    def __init__(self, *, sizes: tuple[float, ...], aspect_ratios: tuple[float, ...], rounded: bool) -> None:
        super().__init__()
        self.sizes = sizes
        self.aspect_ratios = aspect_ratios
        self.rounded = rounded

    def counts(self, height: int, width: int) -> tuple[int, ...]:
        """Anchors of each level for an input of height x width pixels."""
        cells = (math.ceil(height / stride) * math.ceil(width / stride) for stride in STRIDES)
        return tuple(count * len(self.aspect_ratios) for count in cells)

    def construct(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Returns A_l,4 for each level."""
        anchors: tuple[Tensor, ...] = ()
        for level in range(len(features)):
            height, width = features[level].shape[2:]
            anchors += (
                level_anchors((height, width), STRIDES[level], self.sizes[level], self.aspect_ratios, self.rounded),
            )
        return anchors


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
        """Returns the two losses, the training proposals B,P,4 and their valid mask B,P (both without gradient)."""
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
        # Read by index: with an unused unpacked name, the compiler warns that "side effect nodes were eliminated".
        proposals = self.selector(detached_objectness, detached_deltas, anchors, image_sizes, True)
        return losses, proposals[0], proposals[2]

    def proposals(self, features: tuple[Tensor, ...], image_sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inference proposals: boxes B,P,4 best first, logits B,P, valid B,P."""
        objectness, deltas = self.head(features)
        return self.selector(objectness, deltas, self.anchors(features), image_sizes, False)
