"""An optimization step over several batches or with a loss scale.

The batches' gradients are averaged. The mean equals the gradient of one large batch if every loss is a mean over the
images, or is divided by a number that is equal in all batches; docs/training.md lists the losses that are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.engine.step.gradients import Gradients, global_norm, scale_gradients
from mindrcnn.engine.step.loss_scale import LossScale
from mindrcnn.engine.step.train_step import GradientFunction, ReduceGradients, Update, identity
from mindrcnn.engine.trainer import Feed, Loader


class AccumulatingStep:
    """A step that is called with one tuple of arguments per batch and updates the parameters at most once.

    network: a cell whose call with a batch returns a tuple of scalar losses; their sum is minimised.
    optimizer: updates its own parameters, the ones differentiated.
    loss_scale: scales the losses for the backward pass and decides whether to update; the optimizer's step count, and
        with it the learning rate, advances in either case.
    clip_norm: largest global L2 norm of the gradients; 0 does not clip.
    average: moved after each update, if given.
    reduce_gradients: called once with the complete gradients; several devices average theirs in it.
    """

    def __init__(
        self,
        *,
        network: nn.Cell,
        optimizer: nn.Optimizer,
        loss_scale: LossScale,
        clip_norm: float = 0.0,
        average: ParameterAverage | None = None,
        reduce_gradients: ReduceGradients = identity,
    ) -> None:
        self.gradients = GradientFunction(network=network, parameters=optimizer.parameters)
        self.add = _Add()
        self.complete = _Complete(reduce_gradients=reduce_gradients)
        self.update = Update(optimizer=optimizer, clip_norm=clip_norm, average=average)
        self.skip = _CountStep(counter=optimizer.global_step)
        self.loss_scale = loss_scale
        self.set_train()

    def set_train(self, mode: bool = True) -> None:
        """Sets the training mode, as `nn.Cell.set_train` does."""
        self.gradients.set_train(mode)

    def compile(self, *batches: Sequence[Tensor]) -> None:
        """Compiles the step for the shapes of these batches, unless it is compiled for them already."""
        for batch in batches:
            self.gradients.compile(Tensor(self.loss_scale.scale, ms.float32), *batch)

    def __call__(self, *batches: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
        """Returns the mean losses of the batches and the norm of their mean gradient before clipping, 0 if skipped."""
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
    """Addition of two lists of gradients, given one after the other."""

    def construct(self, *both: Tensor) -> Gradients:
        half = len(both) // 2
        return ops.HyperMap()(ops.add, both[:half], both[half:])


class _Complete(nn.Cell):
    """The gradients of the whole step and their norm, computed from the sum over its batches."""

    def __init__(self, *, reduce_gradients: ReduceGradients) -> None:
        super().__init__(auto_prefix=False)
        self.reduce_gradients = reduce_gradients

    def construct(self, factor: Tensor, *total: Tensor) -> tuple[Tensor, Gradients]:
        gradients = self.reduce_gradients(scale_gradients(total, factor))
        return global_norm(gradients), gradients


class _CountStep(nn.Cell):
    """Increment of the optimizer's step count."""

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
    """A loader of groups of `count` batches; the batches left over at the end of an epoch are not used.

    Steps are counted in groups, so an epoch never resumes in the middle of a group.
    """

    def __init__(self, *, loader: Loader, count: int) -> None:
        self.loader = loader
        self.count = count

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[BatchGroup]:
        """Yields the groups of an epoch, from group `start_step` on."""
        batches = self.loader.epoch(epoch, start_step * self.count)
        while len(group := tuple(islice(batches, self.count))) == self.count:
            yield BatchGroup(group)


class GroupedFeed:
    """A feed of groups; each batch gets its own noise."""

    def __init__(self, *, feed: Feed, count: int) -> None:
        self.feed = feed
        self.count = count

    def __call__(self, group: BatchGroup, step: int) -> tuple[tuple[Tensor, ...], ...]:
        """Returns the arguments of AccumulatingStep, one tuple per batch."""
        return tuple(self.feed(batch, step * self.count + number) for number, batch in enumerate(group.batches))
