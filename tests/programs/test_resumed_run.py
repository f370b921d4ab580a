"""The settings that a resumed run must share with the earlier one, with one process and with several."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, CheckpointInfo
from mindrcnn.engine.checkpoints.run_lock import run_lock
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.plan import Plan
from mindrcnn.errors import InputError
from mindrcnn.tasks.run_folder import find_run_folder, restore_progress

PLAN = Plan(total_steps=6, steps_per_epoch=3, eval_every=1, save_every=1)


def config_of(tiny: Path, batch_size: int) -> Config:
    config = load_config(tiny)
    return with_classes(replace(config, train=replace(config.train, batch_size=batch_size)), "a")


def with_classes(config: Config, *classes: str) -> Config:
    return replace(config, data=replace(config.data, classes=classes))


def checkpoint_of(config: Config, world_size: int) -> Checkpoint:
    info = CheckpointInfo(
        config_yaml=dump_config(config),
        classes=("a",),
        category_ids=(1,),
        epoch=1,
        step=4,
        steps_per_epoch=3,
        world_size=world_size,
    )
    return Checkpoint(path=Path("last.ckpt"), parameters={}, trained={}, optimizer={}, info=info)


@pytest.mark.parametrize(("batch_size", "world_size"), [(4, 1), (2, 2), (1, 4)])
def test_another_number_of_processes_with_as_many_images_a_step(tiny: Path, batch_size: int, world_size: int) -> None:
    checkpoint = checkpoint_of(config_of(tiny, 2), 2)
    assert restore_progress(checkpoint, config_of(tiny, batch_size), PLAN, world_size).step == 4


def test_another_number_of_images_a_step(tiny: Path) -> None:
    checkpoint = checkpoint_of(config_of(tiny, 2), 2)
    with pytest.raises(InputError, match=r"train\.batch_size x processes: wanted 4, as the run began, got 8"):
        restore_progress(checkpoint, config_of(tiny, 2), PLAN, 4)
    with pytest.raises(InputError, match=r"train\.batch_size: wanted 2, as the run began, got 4"):
        restore_progress(checkpoint_of(config_of(tiny, 2), 1), config_of(tiny, 4), PLAN, 1)


def test_classes_in_another_order(tiny: Path) -> None:
    checkpoint = checkpoint_of(config_of(tiny, 2), 1)
    checkpoint = replace(checkpoint, info=replace(checkpoint.info, classes=("a", "b")))
    assert restore_progress(checkpoint, with_classes(config_of(tiny, 2), "a", "b"), PLAN, 1).step == 4
    with pytest.raises(InputError, match=r"last\.ckpt: data\.classes: wanted a, b, as the run began, got b, a"):
        restore_progress(checkpoint, with_classes(config_of(tiny, 2), "b", "a"), PLAN, 1)


def test_a_configuration_that_no_run_wrote_is_not_replaced(tmp_path: Path, tiny: Path) -> None:
    """A project with a config.yaml of its own looks like a run that was killed before its first checkpoint."""
    theirs = tmp_path / "config.yaml"
    for text in ("name: mine\n", "- of another program\n", f"{dump_config(load_config(tiny))}# with a remark\n"):
        theirs.write_text(text)
        with ExitStack() as held, pytest.raises(InputError, match=r"a config\.yaml that no run wrote"):
            find_run_folder(tmp_path, "name", Ranks(), held, resume=True)
        assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    theirs.write_text(dump_config(load_config(tiny)))
    with ExitStack() as held:
        assert find_run_folder(tmp_path, "name", Ranks(), held, resume=True).resumed


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_in_use_is_refused(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "config.yaml").touch()
    with run_lock(tmp_path), ExitStack() as held, pytest.raises(InputError, match="in use by process"):
        find_run_folder(tmp_path, "name", Ranks(), held, resume=resume)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
