"""The complete training state except progress, saved in checkpoints and restored from them."""

from dataclasses import dataclass
from pathlib import Path

from mindspore import nn

from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, CheckpointInfo, save_checkpoint
from mindrcnn.engine.checkpoints.resume import load_optimizer
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.engine.step.loss_scale import LossScale


@dataclass(frozen=True)
class TrainingState:
    """The objects whose values change in a step."""

    network: nn.Cell
    optimizer: nn.Optimizer
    average: ParameterAverage | None
    loss_scale: LossScale

    def save(self, path: Path, info: CheckpointInfo) -> None:
        """Writes a checkpoint with `info`, which holds the progress. Raises InputError when it cannot be written."""
        save_checkpoint(path, network=self.network, info=info, optimizer=self.optimizer, average=self.average)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continues from a checkpoint whose parameters are in the network, and so in the average, already.

        If those are averages, the network gets the trained parameters instead. Raises InputError like load_optimizer.
        """
        load_optimizer(self.optimizer, checkpoint)
        for name, parameter in self.network.parameters_dict().items():
            if name in checkpoint.trained:
                parameter.set_data(checkpoint.trained[name])
        self.loss_scale.restore(checkpoint.info.loss_scale)
