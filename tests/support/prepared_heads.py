"""A pooler and a head that hand out prepared logits, for tests of what a mask branch does with them."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from mindrcnn.ops.gather import take_class


class RowNumbers(nn.Cell):
    """A pooler that marks each box's row, so that heads can look up prepared outputs; it keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Tensor, Tensor]] = []

    def construct(self, features: tuple[Tensor, ...], boxes: Tensor, valid: Tensor) -> Tensor:
        self.asked.append((boxes, valid))
        return ms.ops.arange(boxes.shape[0] * boxes.shape[1]).astype(ms.int32)


class PreparedLogits(nn.Cell):
    """The logits of each row at its label."""

    def __init__(self, logits: np.ndarray) -> None:
        super().__init__()
        self.logits = ms.Parameter(logits, name="logits")

    def construct(self, rows: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        return take_class(ms.ops.gather(self.logits, rows, 0), labels)
