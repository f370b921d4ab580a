"""Means over processes that share memory."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.engine.distributed import shared_memory
from mindrcnn.engine.distributed.collectives import AverageInMemory
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.distributed.shared_memory import share_memory
from mindrcnn.errors import LostRank
from mindrcnn.native.exchange import exchange_bytes, join_exchange

# More than one part of the memory, parts that end inside a tensor and with one, and tensors of one number.
SHAPES = ((300_000,), (5,), (3, 7, 2), (1,), (224_284 + 262_144,), (1, 1))
ROUNDS = 3
PROGRAM = """
import sys
import numpy as np
from mindspore import Tensor
from test_exchange import average_all, mapped
np.savez(sys.argv[2], *average_all(mapped(sys.argv[1]), rank=1))
"""


def mapped(path: Path | str) -> mmap.mmap:
    with open(path, "r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def tensors_of(rank: int, number: int) -> list[np.ndarray]:
    rng = np.random.default_rng((rank, number))
    return [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]


def average_all(memory: mmap.mmap, rank: int) -> list[np.ndarray]:
    """What a process gets in its rounds, one after another."""
    join_exchange(memory, rank=rank, processes=2)
    average = AverageInMemory()
    means = (average(tuple(map(Tensor, tensors_of(rank, number)))) for number in range(ROUNDS))
    return [mean.asnumpy() for one in means for mean in one]


def test_two_processes_get_the_same_means(mode: str, tmp_path: Path) -> None:
    memory, other = tmp_path / "memory", tmp_path / "other.npz"
    memory.write_bytes(bytes(exchange_bytes(2)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, memory, other], env=environment) as process:
        try:
            found = average_all(mapped(memory), rank=0)
            assert process.wait() == 0
        finally:
            process.kill()
    theirs = list(np.load(other).values())
    own, others = ([one for number in range(ROUNDS) for one in tensors_of(rank, number)] for rank in (0, 1))
    for mean, their_mean, one, two in zip(found, theirs, own, others, strict=True):
        np.testing.assert_array_equal(mean, (one + two) * np.float32(0.5))
        np.testing.assert_array_equal(their_mean, mean)


def test_a_process_that_does_not_come(mode: str) -> None:
    join_exchange(mmap.mmap(-1, exchange_bytes(2)), rank=0, processes=2, patience=0.2)

    class Step(nn.Cell):
        """A step with one gradient."""

        def __init__(self) -> None:
            super().__init__()
            self.average = AverageInMemory()

        def construct(self, x: Tensor) -> tuple[Tensor, ...]:
            return self.average((x * 2,))

    with pytest.raises(LostRank, match="another rank has not come to an exchange in time"), Ranks().together():
        Step()(Tensor([1.0]))[0].asnumpy()


class Pair:
    """Two ranks that say the same, as seen from one of them."""

    def __init__(self, rank: int, said: list[object]) -> None:
        self.said = said
        self.ranks = Ranks(rank=rank, size=2, all_gather=self.gather)

    def gather(self, value: object) -> list[object]:
        return self.said.pop(0) if self.said else [value, value]  # type: ignore[return-value]


def test_memory_is_shared_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    assert share_memory(Pair(0, []).ranks)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "said",
    [
        [[True, False]],  # the other has no kernels
        [[True, True], [None, None]],  # the first could not create the file
        [[True, True], ["mindrcnn-elsewhere", None]],  # the first is on another machine
        [[True, True], ["../mindrcnn-elsewhere", None]],
    ],
)
def test_memory_that_cannot_be_shared(said: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    assert not share_memory(Pair(1, said).ranks)


def test_without_room_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", full)
    assert not share_memory(Pair(0, []).ranks)
    assert list(tmp_path.iterdir()) == []
