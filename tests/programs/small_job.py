"""One process of a small job: connects, trains on its share of eight samples, and prints what all agree on.

It trains a line, and convolutions with batch norms over all processes.

With a number as its argument, the rank of that number kills itself after the first step.
"""

import json
import os
import signal
import sys
import time

import numpy as np
from mindspore import Parameter, Tensor, nn

from mindrcnn.config.run import DeviceConfig
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.step.optimizer import build_sgd
from mindrcnn.engine.step.train_step import TrainStep
from mindrcnn.models.layers import ConvNorm
from mindrcnn.tasks.processes import build_gradient_reduction, build_sample_count, join_job, synchronize_start

POINTS, STEPS = 8, 3
MAPS = np.random.default_rng(0).normal(1, 2, (POINTS, 2, 3, 3)).astype(np.float32)
X = np.linspace(-1, 1, POINTS, dtype=np.float32)
COUNTED = np.array([1, 1, 1, 1, 0, 1, 0, 0], np.float32)  # four of one half, one of the other


class Line(nn.Cell):
    """Mean squared error of w x + b to 3 x - 1 over the points that count."""

    def __init__(self, count: object) -> None:
        super().__init__()
        self.w = Parameter(Tensor(np.zeros(1, np.float32)), name="w")
        self.b = Parameter(Tensor(np.zeros(1, np.float32)), name="b")
        self.count = count

    def construct(self, x: Tensor, counted: Tensor) -> tuple[Tensor]:
        errors = (self.w * x + self.b - (3 * x - 1)) ** 2
        return ((errors * counted).sum() / self.count(counted.sum()),)


class Normalised(nn.Cell):
    """A loss of maps (B, 2, 3, 3) in which every sample has another weight.

    Its norms are those of the whole batch; in the second, the samples that count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layer = ConvNorm(in_channels=2, out_channels=2, kernel_size=1, norm="sync_batch", activation="relu")
        weight = np.array([[1, 0.5], [-0.5, 1]], np.float32).reshape(2, 2, 1, 1)
        self.layer.conv.weight.set_data(Tensor(weight))
        self.head = ConvNorm(in_channels=2, out_channels=2, kernel_size=1, norm="sync_batch", activation="none")
        self.head.conv.weight.set_data(Tensor(-weight))

    def construct(self, maps: Tensor, x: Tensor, counted: Tensor) -> tuple[Tensor]:
        y = self.head(self.layer(maps), counted > 0) * counted.reshape(-1, 1, 1, 1)
        return ((y.mean(axis=(1, 2, 3)) * x + (y * y).mean(axis=(1, 2, 3))).mean(),)


def train(network: nn.Cell, ranks: Ranks, *samples: np.ndarray, killed: bool) -> list[list[float]]:
    """Trains on the process's share of samples; returns loss and gradient norm of each step."""
    optimizer = build_sgd(
        parameters=network.trainable_params(),
        learning_rates=np.full(STEPS, 0.1, np.float32),
        momentum=0.0,
        nesterov=False,
        weight_decay=0.0,
        decay_norm_and_bias=False,
    )
    step = TrainStep(network=network, optimizer=optimizer, reduce_gradients=build_gradient_reduction(ranks))
    run = synchronize_start(step, ranks)
    part = slice(ranks.rank * POINTS // ranks.size, (ranks.rank + 1) * POINTS // ranks.size)
    losses = []
    for number in range(STEPS):
        (loss,), norm = run(*(Tensor(values[part]) for values in samples))
        losses.append([*ranks.mean((float(loss.asnumpy()),)), float(norm.asnumpy())])
        if killed and number == 0:
            print("killed at", time.time(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    return losses


def main() -> None:
    ranks = join_job(DeviceConfig(), 0)
    network, normalised = Line(build_sample_count(ranks)), Normalised().set_train()
    losses = train(network, ranks, X, COUNTED, killed=sys.argv[1:] == [str(ranks.rank)])
    normalised_losses = train(normalised, ranks, MAPS, X, COUNTED, killed=False)
    told = ranks.from_first(lambda: f"from rank {ranks.rank}")
    items = ranks.merge(list(ranks.share(range(5))))
    outcome = {
        "losses": losses,
        "weights": [float(network.w.asnumpy()[0]), float(network.b.asnumpy()[0])],
        "normalised_losses": normalised_losses,
        "normalised": [float(value) for one in normalised.get_parameters() for value in one.asnumpy().flat],
        "told": told,
        "items": sorted(items),
        "size": ranks.size,
    }
    print("outcome", json.dumps(outcome), flush=True)
    ranks.wait()


main()
