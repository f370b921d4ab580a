"""Batch-norm statistics re-estimated over many batches before they are saved and evaluated (precise BN).

The moving averages of training belong to weights that change from step to step and to the last few dozen batches. Here
they are replaced by the mean over batches that the present weights see, as in detectron2 (fvcore's `update_bn_stats`).
"""

import logging
from collections.abc import Callable, Iterator
from itertools import count, islice

import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindrcnn.data.batching.batch import Batch
from mindrcnn.engine.step.feed import BatchFeed
from mindrcnn.engine.trainer import Loader
from mindrcnn.errors import InputError
from mindrcnn.models.batch_norm import BatchNorm
from mindrcnn.models.detector import TrainingLosses, TwoStageDetector
from mindrcnn.ops.batch_norm import MOMENTUM

logger = logging.getLogger(__name__)


Inputs = tuple[Tensor, ...]


class PreciseStatistics:
    """Replaces the moving statistics of a model's batch norms by their means over batches.

    network: computes the losses of a batch; backbone, pyramid and heads may have norms.
    batches: returns the network's inputs for each batch, the same at each call.
    """

    def __init__(self, *, network: nn.Cell, batches: Callable[[], Iterator[Inputs]]) -> None:
        self.norms = [cell for _, cell in network.cells_and_names() if isinstance(cell, BatchNorm)]
        if not self.norms:
            raise InputError(
                "train.precise_bn: wanted 0 for a model without batch norms that train (model.backbone.norm=batch, "
                "model.backbone.frozen_stages below 5, or sync_batch in pyramid and heads), got batches to estimate "
                "statistics from"
            )
        self.network = network.set_train()
        self.batches = batches

    def __call__(self) -> None:
        """Estimates the statistics with the present weights."""
        before = self.values()
        found = [self.statistics(inputs) for inputs in self.batches()]
        means, variances = (np.stack(parts) for parts in zip(*found, strict=True))
        seen = (means != 0) | (variances != 0)  # a mask head sees nothing of a batch without positive samples
        count = np.maximum(seen.sum(axis=0), 1)
        mean = means.sum(axis=0) / count
        variance = (variances + np.square(means - mean) * seen).sum(axis=0) / count
        values = (np.where(seen.any(axis=0), *pair) for pair in zip((mean, variance), before, strict=True))
        self.assign(*values)
        logger.info("batch-norm statistics re-estimated over %d batches", len(found))

    def statistics(self, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
        """Returns mean and variance of one batch in the channels of all norms, (N,) float64 each."""
        zeros = np.zeros(sum(len(norm.moving_mean) for norm in self.norms), np.float32)
        self.assign(zeros, zeros)
        # A forward pass moves the statistics from zero by MOMENTUM of the way to those of the batch.
        for loss in self.network(*inputs):
            loss.asnumpy()
        mean, variance = self.values()
        return mean / MOMENTUM, variance / MOMENTUM

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the moving statistics of all norms, (N,) float64 each."""
        mean, variance = (np.concatenate([part.asnumpy() for part in parts]) for parts in self.parameters())
        return mean.astype(np.float64), variance.astype(np.float64)

    def parameters(self) -> tuple[list[Parameter], list[Parameter]]:
        """Returns the moving means and the moving variances."""
        return [norm.moving_mean for norm in self.norms], [norm.moving_variance for norm in self.norms]

    def assign(self, mean: np.ndarray, variance: np.ndarray) -> None:
        """Writes statistics of all norms, (N,) each."""
        for parts, values in zip(self.parameters(), (mean, variance), strict=True):
            ends = np.cumsum([len(part) for part in parts])
            for part, value in zip(parts, np.split(values.astype(np.float32), ends[:-1]), strict=True):
                ops.assign(part, Tensor(value))


def first_batches(loader: Loader, number: int) -> Iterator[Batch]:
    """Yields the first batches of training, going on to the next epoch where one is too short."""
    return islice((batch for epoch in count() for batch in loader.epoch(epoch)), number)


def build_precise_statistics(
    detector: TwoStageDetector, loader: Loader, feed: BatchFeed, number: int
) -> Callable[[], None]:
    """Returns what re-estimates statistics over a number of batches; for 0 a function that does nothing."""
    if number == 0:
        return lambda: None

    def batches() -> Iterator[Inputs]:
        return (feed(batch, step) for step, batch in enumerate(first_batches(loader, number)))

    return PreciseStatistics(network=TrainingLosses(detector=detector), batches=batches)
