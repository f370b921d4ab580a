"""A column of a table that is read block by block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class GrowingArray:
    """Appends arrays of one type. In one piece of memory, which the system can enlarge where it lies: joining thousands
    of arrays at the end would take the column twice, and leave what they took in holes that nothing else fits."""

    def __init__(self, first: npt.NDArray[np.generic]) -> None:
        self._dtype = first.dtype
        self._shape = first.shape[1:]
        self._memory = bytearray(first.tobytes())

    def append(self, block: npt.NDArray[np.generic]) -> None:
        """Adds a block (n, ...) of the first one's type and row shape."""
        self._memory += block.astype(self._dtype, copy=False).tobytes()

    def array(self) -> np.ndarray:
        """All blocks (n, ...). Nothing can be appended while it is in use."""
        return np.frombuffer(self._memory, dtype=self._dtype).reshape(-1, *self._shape)
