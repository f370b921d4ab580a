"""An unpickler for plain data whose time and memory are those of the file.

It is Python's own unpickler in Python, which holds what it has read in a dict and runs one method an instruction. The
one in C makes an array of 2^31 places for an instruction of five bytes, and hashes what a file uses as a key however
deep that is.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar

# The pickle of a large detector with its optimizer takes 100,000; this many take about a second.
MAX_READS = 500_000
LARGEST_KEY = 2**61 - 2  # Python hashes larger numbers to the same values


class _LimitedStream:
    """The rest of an open file, of which no more is asked than there is."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size - stream.tell()
        self._reads = 0

    def read(self, count: int) -> bytes:
        self._reads += 1
        if self._reads > MAX_READS:
            raise pickle.UnpicklingError(f"more than {MAX_READS} reads")
        if count > self._left:
            raise EOFError("the pickle ends early")
        self._left -= count
        return self._stream.read(count)

    def readline(self) -> bytes:
        line = self._stream.readline()
        self._left -= len(line)
        return line


class LimitedUnpickler(pickle._Unpickler):
    """A reader of dicts with plain keys, lists, tuples, texts and numbers, and of what `callables` return.

    stream: the open file.
    size: bytes of the file.
    encoding: of Python 2's strings.
    callables: the functions and classes that a pickle may call, by module and name.
    """

    stack: list[Any]
    read: Callable[[int], bytes]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]]

    def __init__(
        self, stream: BinaryIO, *, size: int, encoding: str, callables: dict[tuple[str, str], Callable[..., Any]]
    ) -> None:
        super().__init__(_LimitedStream(stream, size), encoding=encoding)
        self._callables = callables
        self._left_to_copy = size

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._callables:
            return self._callables[module, name]
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a state dict and was not loaded")

    def charge(self, count: int) -> None:
        """Raises UnpicklingError if the pickle has more bytes copied than it has itself, as by using a text again."""
        self._left_to_copy -= count
        if self._left_to_copy < 0:
            raise pickle.UnpicklingError("more content than its file has")

    def load_frame(self) -> None:
        """Skips the length of a frame, which would be read at once."""
        self.read(8)

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        called = self.stack[-1]
        if not any(called is one for one in self._callables.values()):
            raise pickle.UnpicklingError("a call of something that is not a function")
        self.stack[-1] = called(*arguments)

    def load_newobj(self) -> None:
        self.load_reduce()

    def load_build(self) -> None:
        state = self.stack.pop()
        self.set_state(self.stack[-1], state)

    def set_state(self, built: Any, state: Any) -> None:
        """Gives an object its state. Raises UnpicklingError for a function, which would keep it."""
        if hasattr(built, "__setstate__") and type(built) in self._callables.values():
            built.__setstate__(state)
        elif not isinstance(built, dict):  # the attributes of a dict, such as torch's versions, are of no use
            raise pickle.UnpicklingError(f"a state for {type(built).__name__}")

    def load_setitem(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._fill([key, value])

    def load_setitems(self) -> None:
        self._fill(self.pop_mark())

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._fill(items)

    def _fill(self, items: list[Any]) -> None:
        filled = self.stack[-1]
        if not isinstance(filled, dict):
            raise pickle.UnpicklingError(f"items for {type(filled).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            filled[plain_key(key)] = value

    def refuse(self) -> None:
        raise pickle.UnpicklingError("an instruction that plain data has no use for")


def plain_key(key: Any) -> Any:
    """Returns a key that takes no time to hash. Raises UnpicklingError for any other."""
    if key is None or isinstance(key, str | bytes) or (isinstance(key, int) and abs(key) <= LARGEST_KEY):
        return key
    raise pickle.UnpicklingError(f"a {type(key).__name__} as a key")


_REPLACED: dict[bytes, Callable[[LimitedUnpickler], None]] = {
    pickle.FRAME: LimitedUnpickler.load_frame,
    pickle.REDUCE: LimitedUnpickler.load_reduce,
    pickle.NEWOBJ: LimitedUnpickler.load_newobj,
    pickle.BUILD: LimitedUnpickler.load_build,
    pickle.SETITEM: LimitedUnpickler.load_setitem,
    pickle.SETITEMS: LimitedUnpickler.load_setitems,
    pickle.DICT: LimitedUnpickler.load_dict,
    **dict.fromkeys(
        (
            *(pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4),
            *(pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET),
            *(pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
        ),
        LimitedUnpickler.refuse,
    ),
}
LimitedUnpickler.dispatch = pickle._Unpickler.dispatch | {code[0]: method for code, method in _REPLACED.items()}
