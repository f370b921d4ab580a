"""A column of a table that is read block by block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class GrowingArray:
    """Arrays of one type, appended in one block of memory that grows in place.

    Concatenating thousands of arrays at the end would need the memory twice and leave it fragmented.
    """

    def __init__(self, first: npt.NDArray[np.generic]) -> None:
        self._dtype = first.dtype
        self._shape = first.shape[1:]
        self._memory = bytearray(first.tobytes())

    def append(self, block: npt.NDArray[np.generic]) -> None:
        """Appends a block (n, ...) of the first one's type and row shape."""
        self._memory += block.astype(self._dtype, copy=False).tobytes()

    def array(self) -> np.ndarray:
        """Returns all blocks as (n, ...). Nothing can be appended while the result is in use."""
        return np.frombuffer(self._memory, dtype=self._dtype).reshape(-1, *self._shape)
