"""The columns of a table that is read block by block."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt


class GrowingArray:
    """Arrays of one type, appended in one block of memory that grows in place.

    Concatenating thousands of arrays at the end would need the memory twice and leave it fragmented. A column of whole
    numbers turns into one of Python's numbers with the first block that int64 cannot hold.
    """

    def __init__(self, first: npt.NDArray[np.generic]) -> None:
        self._dtype = first.dtype
        self._shape = first.shape[1:]
        self._memory = bytearray(first.tobytes())
        self._large: list[object] | None = None

    def append(self, block: npt.NDArray[np.generic]) -> None:
        """Appends a block (n, ...) of the first one's type and row shape, or whole numbers (n,) of type object."""
        if block.dtype == object and self._large is None:
            self._large = np.frombuffer(bytes(self._memory), dtype=self._dtype).tolist()
        if self._large is not None:
            self._large += block.tolist()
        else:
            self._memory += block.astype(self._dtype, copy=False).tobytes()

    def array(self) -> np.ndarray:
        """Returns all blocks as (n, ...). Nothing can be appended while the result is in use."""
        if self._large is not None:
            return np.array(self._large, dtype=object)
        return np.frombuffer(self._memory, dtype=self._dtype).reshape(-1, *self._shape)


class Texts(Sequence[bytes]):
    """A column of texts, one after the other in one block of memory.

    As an array of NumPy, each would take as much as the longest.
    """

    def __init__(self, texts: Iterable[bytes] = ()) -> None:
        self._memory = bytearray()
        self._ends = array("q", [0])
        self.extend(texts)

    def extend(self, texts: Iterable[bytes]) -> None:
        """Appends texts."""
        for text in texts:
            self._memory += text
            self._ends.append(len(self._memory))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        return bytes(self._memory[self._ends[place] : self._ends[place + 1]])
