"""Batch norm by the images of one process or of all, and the activation after it."""

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops
from mindspore.communication import GlobalComm, get_group_size

from mindrcnn.ops.batch_norm import MOMENTUM, Activation, batch_norm


def build_activation(name: Activation) -> nn.Cell:
    """Returns the layer of an activation."""
    return {"relu": nn.ReLU, "relu6": nn.ReLU6, "none": nn.Identity}[name]()


class BatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d`, and the activation after it."""

    def __init__(self, *, channels: int, eps: float, activation: Activation) -> None:
        super().__init__(channels, eps)
        self.activation: Activation = activation

    def construct(self, x: Tensor) -> Tensor:
        """Normalises x (B, C, H, W): in training by the batch's statistics, which move those for inference."""
        return batch_norm(
            x,
            self.gamma,
            self.beta,
            self.moving_mean,
            self.moving_variance,
            training=self.training,
            eps=self.eps,
            activation=self.activation,
        )


class SyncBatchNorm(BatchNorm):
    """Batch norm whose batch, in training, is that of all processes; each counts by the number of its rows.

    MindSpore's own `nn.SyncBatchNorm` runs on Ascend alone; this one needs only AllReduce, which has a gradient. As
    detectron2's `NaiveSyncBatchNorm` with `stats_mode="N"`.
    """

    def __init__(self, *, channels: int, eps: float, activation: Activation) -> None:
        super().__init__(channels=channels, eps=eps, activation=activation)
        self.processes = get_group_size() if GlobalComm.INITED else 1
        self.all_reduce = ops.AllReduce()
        self.activate = build_activation(activation)

    def construct(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Normalises x (B, C, H, W) as `BatchNorm` does the rows of all processes together.

        valid: (B,) bool, the rows that count; all without it. The output of the others is unspecified.
        """
        if not self.training or (self.processes == 1 and valid is None):
            return super().construct(x)
        if valid is None:
            rows = ops.ones((x.shape[0], 1, 1, 1), ms.float32)
        else:
            rows = valid.astype(ms.float32).reshape(-1, 1, 1, 1)
            x = ops.masked_fill(x, ops.logical_not(valid).reshape(-1, 1, 1, 1), 0.0)
        count = self.total(rows)
        mean = self.mean(x, rows, count)
        centred = x - mean
        variance = self.mean(centred * centred, rows, count)
        gamma, beta = self.gamma.reshape(1, -1, 1, 1), self.beta.reshape(1, -1, 1, 1)
        y = self.activate(centred * (ops.rsqrt(variance + self.eps) * gamma) + beta)
        pixels = count * (x.shape[2] * x.shape[3])
        unbiased = variance * pixels / (pixels - 1).clip(min=1.0)
        # Without any rows the statistics stay as they are.
        share = MOMENTUM * count.clip(max=1.0).reshape(-1)
        return ops.depend(y, (move(self.moving_mean, mean, share), move(self.moving_variance, unbiased, share)))

    def total(self, rows: Tensor) -> Tensor:
        """Returns the number (1, 1, 1, 1) of rows that count in all processes, given (B, 1, 1, 1) of ones and zeros."""
        own = rows.sum(axis=0, keepdims=True)
        return own if self.processes == 1 else self.all_reduce(own)

    def mean(self, x: Tensor, rows: Tensor, count: Tensor) -> Tensor:
        """Returns the mean (1, C, 1, 1) of x (B, C, H, W) over the rows that count in all processes."""
        # Means of means, because a float32 sum over a whole large map loses digits.
        own = (x.mean(axis=3, keep_dims=True).mean(axis=2, keep_dims=True) * rows).sum(axis=0, keepdims=True)
        return (own if self.processes == 1 else self.all_reduce(own)) / count.clip(min=1.0)


def move(moving: Parameter, value: Tensor, share: Tensor) -> Tensor:
    """Moves a statistic (C,) by a share (1,) of the way towards that of a batch (1, C, 1, 1); no gradient passes."""
    return ops.assign(moving, moving * (1 - share) + ops.stop_gradient(value).reshape(-1) * share)
