"""PointRend's two heads (Kirillov et al., 2020; detectron2 projects/PointRend).

Letters in shapes: N boxes, K classes, C channels of the features, P points of a box.
"""

from itertools import pairwise

from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal

from mindrcnn.models.head_layers import dense
from mindrcnn.models.initializers import msra_normal, xavier_fill


class CoarseHead(nn.Cell):
    """A 2x2 convolution of stride 2 and two fully connected layers: a small mask per class.

    resolution: side of the features, even; the masks have half of it.
    """

    def __init__(self, *, in_channels: int, resolution: int, fc_channels: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.resolution = resolution
        self.side = resolution // 2
        self.reduce = nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size=2,
            stride=2,
            pad_mode="valid",
            has_bias=True,
            weight_init=msra_normal(),
            bias_init="zeros",
        )
        self.fc1 = dense(in_channels * self.side**2, fc_channels, weight_init=xavier_fill())
        self.fc2 = dense(fc_channels, fc_channels, weight_init=xavier_fill())
        self.prediction = dense(fc_channels, num_classes * self.side**2, weight_init=Normal(0.001))

    def construct(self, pooled: Tensor) -> Tensor:
        """pooled N,C,resolution,resolution. Returns logits N,K,side,side."""
        hidden = ops.relu(self.reduce(pooled)).reshape(pooled.shape[0], -1)
        hidden = ops.relu(self.fc2(ops.relu(self.fc1(hidden))))
        return self.prediction(hidden).reshape(-1, self.num_classes, self.side, self.side)


class PointHead(nn.Cell):
    """Layers shared by all points, of which each, the last too, sees the coarse prediction at the point again."""

    def __init__(self, *, in_channels: int, num_layers: int, channels: int, num_classes: int) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * num_layers
        self.fcs = nn.CellList([dense(a + num_classes, b, weight_init=msra_normal()) for a, b in pairwise(widths)])
        self.predictor = dense(widths[-1] + num_classes, num_classes, weight_init=Normal(0.001))

    def construct(self, fine: Tensor, coarse: Tensor, labels: Tensor) -> Tensor:
        """fine N,P,C features and coarse N,P,K logits of points; labels N int32 in 1..K (0 reads class 1).

        Returns logits N,P of each box's own class; those of the other classes are never computed.
        """
        hidden = fine
        for layer in self.fcs:
            hidden = ops.relu(layer(ops.concat((hidden, coarse), axis=2)))
        hidden = ops.concat((hidden, coarse), axis=2)
        own = ops.clamp(labels - 1, 0)
        weight = ops.gather(self.predictor.weight, own, 0).expand_dims(2)
        return ops.bmm(hidden, weight).squeeze(2) + ops.gather(self.predictor.bias, own, 0).expand_dims(1)
