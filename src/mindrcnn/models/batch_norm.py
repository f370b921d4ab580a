"""Batch norm by the images of one process or of all, and the activation after it."""

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
    """Batch norm whose batch, in training, is that of all processes; each has as many images, of the same size.

    MindSpore's own `nn.SyncBatchNorm` runs on Ascend alone; this one needs only AllReduce, which has a gradient.
    """

    def __init__(self, *, channels: int, eps: float, activation: Activation) -> None:
        super().__init__(channels=channels, eps=eps, activation=activation)
        self.processes = get_group_size() if GlobalComm.INITED else 1
        self.all_reduce = ops.AllReduce()
        self.activate = build_activation(activation)

    def construct(self, x: Tensor) -> Tensor:
        """Normalises x (B, C, H, W) as `BatchNorm` does the images of all processes together."""
        if self.processes == 1 or not self.training:
            return super().construct(x)
        mean = self.mean(x)
        centred = x - mean
        variance = self.mean(centred * centred)
        gamma, beta = self.gamma.reshape(1, -1, 1, 1), self.beta.reshape(1, -1, 1, 1)
        y = self.activate(centred * (ops.rsqrt(variance + self.eps) * gamma) + beta)
        samples = x.shape[0] * x.shape[2] * x.shape[3] * self.processes
        unbiased = variance * (samples / (samples - 1))
        return ops.depend(y, (move(self.moving_mean, mean), move(self.moving_variance, unbiased)))

    def mean(self, x: Tensor) -> Tensor:
        """Returns the mean (1, C, 1, 1) of x (B, C, H, W) over the images of all processes."""
        # Means of means, because a float32 sum over a whole large map loses digits.
        own = x.mean(axis=3, keep_dims=True).mean(axis=2, keep_dims=True).mean(axis=0, keep_dims=True)
        return self.all_reduce(own) / self.processes


def move(moving: Parameter, value: Tensor) -> Tensor:
    """Moves a statistic (C,) towards that of a batch (1, C, 1, 1); no gradient passes."""
    return ops.assign(moving, moving * (1 - MOMENTUM) + ops.stop_gradient(value).reshape(-1) * MOMENTUM)
