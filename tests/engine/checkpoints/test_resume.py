"""What a resumed run takes from its folder: the newest whole checkpoint, the best evaluation, the optimizer's state."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mindrcnn.engine.checkpoints import resume
from mindrcnn.engine.checkpoints.resume import best_so_far, load_optimizer, newest_checkpoint
from mindrcnn.errors import InputError


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is a file with its metric; an empty one is damaged. An optimizer is its state."""

    def load(path: Path) -> Any:
        if not path.read_text():
            raise InputError(f"{path}: damaged")
        return SimpleNamespace(path=path, info=SimpleNamespace(metrics={"segm_AP": float(path.read_text())}))

    monkeypatch.setattr(resume, "load_checkpoint", load)
    monkeypatch.setattr(resume, "optimizer_state", lambda optimizer: optimizer)


def parameter(name: str) -> Any:
    def set_data(value: object) -> None:
        one.value = value

    one = SimpleNamespace(name=name, value=None, set_data=set_data)
    return one


def path_of(checkpoint: Any) -> Path:
    return Path(checkpoint.path)


def test_the_best_of_the_evaluations_or_else_of_the_file(tmp_path: Path) -> None:
    assert best_so_far(tmp_path, "segm_AP", []) == -np.inf
    (tmp_path / "best.ckpt").write_text("0.9")
    assert best_so_far(tmp_path, "segm_AP", []) == 0.9
    assert best_so_far(tmp_path, "segm_AP", [0.2, 0.5, 0.1]) == 0.5


def test_the_newest_checkpoint_that_is_whole(tmp_path: Path) -> None:
    last, previous = tmp_path / resume.LAST, tmp_path / resume.PREVIOUS
    assert newest_checkpoint(tmp_path) is None
    previous.write_text("0.1")
    last.write_text("0.2")
    assert path_of(newest_checkpoint(tmp_path)) == last
    last.write_text("")
    assert path_of(newest_checkpoint(tmp_path)) == previous
    previous.write_text("")
    with pytest.raises(InputError, match=f"{resume.PREVIOUS}: damaged"):
        newest_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (["a"], "got 1 fewer and 0 others, such as b"),
        (["a", "b", "c"], "got 0 fewer and 1 others, such as c"),
        (["a", "c"], "got 1 fewer and 1 others, such as b"),
    ],
)
def test_the_state_of_another_optimizer_is_refused(stored: list[str], message: str) -> None:
    own = [parameter("a"), parameter("b")]
    checkpoint: Any = SimpleNamespace(path=Path("x.ckpt"), optimizer=dict.fromkeys(stored, 1))
    with pytest.raises(InputError, match=rf"x.ckpt: wanted the 2 entries of this optimizer's state, {message};"):
        load_optimizer(own, checkpoint)  # type: ignore[arg-type]
    assert [one.value for one in own] == [None, None]


def test_the_state_of_an_optimizer_is_copied() -> None:
    own = [parameter("a"), parameter("b")]
    checkpoint: Any = SimpleNamespace(path=Path("x.ckpt"), optimizer={"b": 2, "a": 1})
    load_optimizer(own, checkpoint)  # type: ignore[arg-type]
    assert [one.value for one in own] == [1, 2]
