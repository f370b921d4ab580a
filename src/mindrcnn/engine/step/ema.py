"""An exponential moving average of the parameters (Polyak and Juditsky, 1992; as used by Tan and Le, EfficientNet)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import mindspore as ms
from mindspore import Parameter, ParameterTuple, Tensor, nn, ops

PREFIX = "average"  # of the averages' own names; in a checkpoint they carry the names of the parameters

_blend = ops.MultitypeFuncGraph("blend")
_map = ops.HyperMap()


@_blend.register("Tensor", "Tensor", "Tensor")
def _blend_one(rate: Tensor, average: Tensor, value: Tensor) -> Tensor:
    # In this form the average of a parameter that never changes stays bit-identical.
    return ops.assign_add(average, (value - average) * rate)


class ParameterAverage(nn.Cell):
    """The averages; step n adds (1 - d) * (value - average) to each, with d = min(decay, (1 + n) / (warmup + n)).

    network: all its float32 parameters are averaged, batch norm statistics included, from their present values on.
    decay: the largest d.
    warmup: 1 for no warm-up; with 10, TensorFlow's number, the average of a short run forgets the initial values.
    """

    def __init__(self, *, network: nn.Cell, decay: float, warmup: float) -> None:
        super().__init__(auto_prefix=False)
        self.values = ParameterTuple(p for p in network.get_parameters() if p.dtype == ms.float32)
        self.averages = self.values.clone(prefix=PREFIX, init="same")
        for average in self.averages:
            average.requires_grad = False
        self.decay = Tensor(decay, ms.float32)
        self.warmup = warmup

    def construct(self, steps: Tensor) -> tuple[Tensor, ...]:
        """Updates the averages. steps: number of finished steps, including this one, (1,) or scalar int32."""
        count = steps.astype(ms.float32).reshape(())
        decay = ops.minimum(self.decay, (1 + count) / (self.warmup + count))
        return _map(ops.partial(_blend, 1 - decay), self.averages, self.values)

    def by_name(self) -> Mapping[str, Parameter]:
        """Returns the averages under the names of their parameters."""
        return {value.name: average for value, average in zip(self.values, self.averages, strict=True)}


@contextmanager
def use_averages(average: ParameterAverage | None) -> Iterator[None]:
    """Puts the averages in place of the network's parameters inside the block; None changes nothing."""
    pairs = () if average is None else tuple(zip(average.values, average.averages, strict=True))
    trained = [value.asnumpy().copy() for value, _ in pairs]
    # Not set_data: in PyNative mode the compiled part of an optimizer would keep using the old memory of a value.
    for value, mean in pairs:
        ops.assign(value, mean)
    try:
        yield
    finally:
        for (value, _), array in zip(pairs, trained, strict=True):
            ops.assign(value, Tensor(array))
