"""train.py --resume, started again and again, with a step that is not compiled: it folds what it is fed into one
parameter, so that its last value depends on every batch, every noise array and their order.

Each line of the standard input is a JSON list, the configuration, the run folder and overrides. A fork, which has all
modules loaded, trains as it says. Its process id and then its status are the answer on the standard output.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

from mindrcnn.config.train import TrainConfig
from mindrcnn.engine.step.training_state import TrainingState
from mindrcnn.engine.tracking import recorder
from mindrcnn.exit_status import run
from mindrcnn.tasks import training

SECONDS = 0.01


class FoldingStep:
    """Takes a step's place."""

    def __init__(self, train: TrainConfig, losses: nn.Cell, state: TrainingState, **settings: object) -> None:
        self.losses = len(losses.detector.loss_names)
        self.parameter = state.network.trainable_params()[0]

    def __call__(self, *batch: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        time.sleep(SECONDS)
        fed = np.float32(sum(array.asnumpy().mean(dtype=np.float64) for array in batch))
        value = np.float32(0.9) * self.parameter.asnumpy() + fed
        self.parameter.set_data(Tensor(value))
        return tuple(Tensor(value.ravel()[0]) for _ in range(self.losses)), Tensor(np.float32(1))


def train(config: str, run_dir: str, *overrides: str) -> int:
    """Trains with the folding step, and without drawing, which would take most of the time and of the kills."""
    training.build_step = FoldingStep
    recorder.draw_curves = lambda metrics, picture: picture.touch()
    return run(lambda: training.train(Path(config), overrides, Path(run_dir), resume=True))


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(train(*json.loads(line)))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
