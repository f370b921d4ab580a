"""One optimization step over several batches, or with a loss scale: gradients are added up, completed, then used.

The gradients are the mean of the batches' gradients, which are those of one large batch where every loss is a mean over
the images, or is divided by a number that is equal in all batches; docs/training.md says which losses are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.engine.step.loss_scale import LossScale
from mindrcnn.engine.step.train_step import (
    GradientFunction,
    Gradients,
    ReduceGradients,
    Update,
    global_norm,
    scaled,
    unchanged,
)
from mindrcnn.engine.trainer import Feed, Loader


class AccumulatingStep:
    """Calling it with the arguments of several batches, one tuple each, updates the parameters at most once.

    Arguments as of TrainStep. loss_scale: multiplies the losses for the backward pass and decides whether the update
    takes place; the optimizer's step count, and with it the learning rate, goes on in either case.
    """

    def __init__(
        self,
        *,
        network: nn.Cell,
        optimizer: nn.Optimizer,
        loss_scale: LossScale,
        clip_norm: float = 0.0,
        average: ParameterAverage | None = None,
        reduce_gradients: ReduceGradients = unchanged,
    ) -> None:
        self.gradients = GradientFunction(network=network, parameters=optimizer.parameters)
        self.add = _Add()
        self.complete = _Complete(reduce_gradients=reduce_gradients)
        self.update = Update(optimizer=optimizer, clip_norm=clip_norm, average=average)
        self.skip = _CountStep(counter=optimizer.global_step)
        self.loss_scale = loss_scale
        self.set_train()

    def set_train(self, mode: bool = True) -> None:
        """As of a Cell."""
        self.gradients.set_train(mode)

    def compile(self, *batches: Sequence[Tensor]) -> None:
        """As of a Cell: compiles for the shapes of these arguments what has not been compiled for them."""
        for batch in batches:
            self.gradients.compile(Tensor(self.loss_scale.scale, ms.float32), *batch)

    def __call__(self, *batches: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
        """(mean losses of the batches, norm of their mean gradient before clipping, 0 for a skipped step)."""
        scale = self.loss_scale.scale
        factor = Tensor(scale, ms.float32)
        losses, total = self.gradients(factor, *batches[0])
        collected = [losses]
        for batch in batches[1:]:
            losses, gradients = self.gradients(factor, *batch)
            collected.append(losses)
            total = self.add(*total, *gradients)
        norm, complete = self.complete(Tensor(1 / (scale * len(batches)), ms.float32), *total)
        means = tuple(_mean(values) for values in zip(*collected, strict=True))
        if not self.loss_scale.accepts(float(norm.asnumpy())):
            self.skip()
            return means, Tensor(0.0, ms.float32)
        return means, self.update(norm, *complete)


class _Add(nn.Cell):
    """Adds two lists of gradients, given one after the other."""

    def construct(self, *both: Tensor) -> Gradients:
        half = len(both) // 2
        return ops.HyperMap()(ops.add, both[:half], both[half:])


class _Complete(nn.Cell):
    """The gradients of the whole step, and their norm, from the sum over its batches."""

    def __init__(self, *, reduce_gradients: ReduceGradients) -> None:
        super().__init__(auto_prefix=False)
        self.reduce_gradients = reduce_gradients

    def construct(self, factor: Tensor, *total: Tensor) -> tuple[Tensor, Gradients]:
        gradients = self.reduce_gradients(scaled(total, factor))
        return global_norm(gradients), gradients


class _CountStep(nn.Cell):
    """Adds 1 to the optimizer's step count."""

    def __init__(self, *, counter: Parameter) -> None:
        super().__init__(auto_prefix=False)
        self.counter = counter

    def construct(self) -> Tensor:
        return ops.assign_add(self.counter, Tensor([1], ms.int32))


def _mean(values: Sequence[Tensor]) -> Tensor:
    return Tensor(np.mean([value.asnumpy() for value in values], dtype=np.float32))


@dataclass(frozen=True)
class BatchGroup:
    """The batches of one optimization step."""

    batches: tuple[Any, ...]

    @property
    def image_ids(self) -> tuple[Any, ...]:
        return tuple(chain.from_iterable(batch.image_ids for batch in self.batches))


class GroupedLoader:
    """A loader of groups of `count` batches; what is left over at the end of an epoch, less than a group, is left out.

    A group is never taken up in its middle: steps are counted in groups.
    """

    def __init__(self, *, loader: Loader, count: int) -> None:
        self.loader = loader
        self.count = count

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[BatchGroup]:
        """The groups of an epoch, from group `start_step` on."""
        batches = self.loader.epoch(epoch, start_step * self.count)
        while len(group := tuple(islice(batches, self.count))) == self.count:
            yield BatchGroup(group)


class GroupedFeed:
    """A feed of groups; each batch has noise of its own."""

    def __init__(self, *, feed: Feed, count: int) -> None:
        self.feed = feed
        self.count = count

    def __call__(self, group: BatchGroup, step: int) -> tuple[tuple[Tensor, ...], ...]:
        """The arguments of AccumulatingStep."""
        return tuple(self.feed(batch, step * self.count + number) for number, batch in enumerate(group.batches))
