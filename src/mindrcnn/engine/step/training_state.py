"""What a training is at a moment, besides how far it is: saved in checkpoints, restored from them."""

from dataclasses import dataclass
from pathlib import Path

from mindspore import nn

from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from mindrcnn.engine.checkpoints.resume import load_optimizer
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.engine.step.loss_scale import LossScale


@dataclass(frozen=True)
class TrainingState:
    """The objects whose values a step changes."""

    network: nn.Cell
    optimizer: nn.Optimizer
    average: ParameterAverage | None
    loss_scale: LossScale

    def save(self, path: Path, info: CheckpointInfo) -> None:
        """Writes a checkpoint; `info` says how far the training is. Raises InputError when it cannot be written."""
        save_checkpoint(path, network=self.network, info=info, optimizer=self.optimizer, average=self.average)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint whose parameters the network, and from it the average, has got already.

        Where those are averages, the network gets the parameters that train. Raises InputError as load_optimizer does.
        """
        load_optimizer(self.optimizer, checkpoint)
        for name, parameter in self.network.parameters_dict().items():
            if name in checkpoint.trained:
                parameter.set_data(checkpoint.trained[name])
        self.loss_scale.restore(checkpoint.info.loss_scale)
