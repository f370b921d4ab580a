"""The cache of compiled graphs, over several processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mindrcnn.graphs import store
from mindrcnn.graphs.store import KEPT, GraphCache

SOURCES = Path(__file__).resolve().parents[2] / "src"
# Prints what is traced, which happens only where a graph is compiled, and what the graph returns.
PROGRAM = """
import sys
import numpy as np
import mindspore as ms
from mindspore import Tensor
from traced import Scaled

ms.set_context(mode=ms.GRAPH_MODE)
for factor in map(float, sys.argv[1:]):
    print(Scaled(factor)(Tensor(np.ones(2, np.float32))).asnumpy().tolist(), flush=True)
"""
MODULE = """
import mindspore as ms
from mindspore import Tensor
from mindrcnn.graphs.cell import CompiledCell

@ms.constexpr
def note(factor):
    print("traced", factor, flush=True)
    return factor

class Scaled(CompiledCell):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def construct(self, x: Tensor) -> Tensor:
        return x * note(self.factor)
"""


def run(folder: Path, *factors: float, graphs: str = "graphs") -> list[str]:
    """Compiles a small cell for each factor, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": f"{SOURCES}:{folder}", "MINDRCNN_GRAPHS": str(folder / graphs)}
    outcome = subprocess.run(
        [sys.executable, str(folder / "program.py"), *map(str, factors)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return outcome.stdout.splitlines()


def test_a_later_process_does_not_compile_again(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "traced.py").write_text(MODULE)
    assert run(tmp_path, 2, 3) == ["traced 2.0", "[2.0, 2.0]", "traced 3.0", "[3.0, 3.0]"]
    assert run(tmp_path, 3, 2, 5) == ["[3.0, 3.0]", "[2.0, 2.0]", "traced 5.0", "[5.0, 5.0]"]  # under other numbers
    for kept in (tmp_path / "graphs").glob("*.mindir"):
        kept.write_bytes(kept.read_bytes()[:100])  # as a disk that was full leaves it
    assert run(tmp_path, 2) == ["traced 2.0", "[2.0, 2.0]"]
    (tmp_path / "traced.py").write_text(MODULE.replace("note(self.factor)", "note(self.factor) + 1"))
    assert run(tmp_path, 2) == ["traced 2.0", "[3.0, 3.0]"]


def test_after_a_failed_compilation_nothing_is_lent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switched: list[bool] = []
    cache = GraphCache(tmp_path / "graphs")
    monkeypatch.setattr(store.ms, "set_context", lambda *, enable_compile_cache: switched.append(enable_compile_cache))
    with pytest.raises(KeyboardInterrupt), cache.reusing("a"):
        raise KeyboardInterrupt
    with cache.reusing("b"):
        pass
    assert switched == [True, False]


def test_the_graphs_not_used_for_longest_are_removed(tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        file = tmp_path / f"{number}.mindir"
        file.write_bytes(b"")
        os.utime(file, (number, number))
        file.with_suffix(".sha256").touch()
    GraphCache.__dict__["_remove_old"](type("Cache", (), {"folder": tmp_path}))
    left = {path.stem for path in tmp_path.iterdir()}
    assert left == {str(number) for number in range(2, KEPT + 2)}
