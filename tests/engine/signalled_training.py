"""A tiny training in graph mode that sends itself a signal. Arguments: the folder it writes into, the signal."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, save_checkpoint
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.step.optimizer import build_sgd
from mindrcnn.engine.step.schedule import multistep
from mindrcnn.engine.step.train_step import TrainStep
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.engine.tracking.recorder import Recorder
from mindrcnn.engine.trainer import Progress, Steps, Trainer
from mindrcnn.exit_status import EXIT_OK, run

STEPS = 100
SIGNALLED_STEP = 7


class Net(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Dense(4, 2)

    def construct(self, inputs: Tensor) -> tuple[Tensor, ...]:
        output = self.dense(inputs)
        return (output * output).mean(), output.abs().mean()


class SignallingLoader:
    def __init__(self, number: int) -> None:
        self.number = number

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Any]:
        for step in range(start_step, STEPS):
            if step == SIGNALLED_STEP:
                time.sleep(0.3)  # a step of ordinary length
                os.kill(os.getpid(), self.number)
            yield SimpleNamespace(image_ids=(1, 2))


class Checkpoints:
    def __init__(self, folder: Path, network: nn.Cell, optimizer: nn.Optimizer) -> None:
        self.folder, self.network, self.optimizer = folder, network, optimizer

    def save(self, name: str, progress: Progress) -> None:
        info = CheckpointInfo(config_yaml="", classes=(), category_ids=(), epoch=progress.epoch, step=progress.step)
        save_checkpoint(self.folder / f"{name}.ckpt", network=self.network, info=info, optimizer=self.optimizer)

    def record_evaluation(self, progress: Progress) -> None:
        raise AssertionError("there is nothing to evaluate on")


def main(folder: Path, number: int) -> int:
    ms.set_context(mode=ms.GRAPH_MODE)
    setup_logging(folder / "train.log")
    rates = multistep(base_lr=0.001, total_steps=STEPS, milestones=(), gamma=1.0)
    network = Net()
    optimizer = build_sgd(
        parameters=network.trainable_params(),
        learning_rates=rates,
        momentum=0.9,
        nesterov=False,
        weight_decay=0.0,
        decay_norm_and_bias=False,
    )

    names = ("square", "absolute")
    Trainer(
        steps=Steps(
            step=TrainStep(network=network, optimizer=optimizer),
            loader=SignallingLoader(number),
            feed=lambda batch, step: (Tensor(np.ones((2, 4), np.float32)),),
            loss_names=names,
        ),
        plan=Plan(total_steps=STEPS, steps_per_epoch=STEPS, eval_every=1, save_every=1),
        recorder=Recorder(folder=folder, loss_names=names, learning_rates=rates, steps_per_epoch=STEPS, log_every=5),
        checkpoints=Checkpoints(folder, network, optimizer),
    ).run()
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run(lambda: main(Path(sys.argv[1]), int(sys.argv[2]))))
