"""One process of a small job: connects, trains a line on its share of eight points, and prints what all agree on.

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
from mindrcnn.engine.step.optimizer import build_sgd
from mindrcnn.engine.step.train_step import TrainStep
from mindrcnn.tasks.processes import build_gradient_reduction, build_sample_count, join_job, synchronize_start

POINTS, STEPS = 8, 3
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


def main() -> None:
    ranks = join_job(DeviceConfig(), 0)
    network = Line(build_sample_count(ranks))
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
        (loss,), norm = run(Tensor(X[part]), Tensor(COUNTED[part]))
        losses.append([*ranks.mean((float(loss.asnumpy()),)), float(norm.asnumpy())])
        if sys.argv[1:] == [str(ranks.rank)] and number == 0:
            print("killed at", time.time(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    told = ranks.from_first(lambda: f"from rank {ranks.rank}")
    items = ranks.merge(list(ranks.share(range(5))))
    outcome = {
        "losses": losses,
        "weights": [float(network.w.asnumpy()[0]), float(network.b.asnumpy()[0])],
        "told": told,
        "items": sorted(items),
        "size": ranks.size,
    }
    print("outcome", json.dumps(outcome), flush=True)
    ranks.wait()


main()
