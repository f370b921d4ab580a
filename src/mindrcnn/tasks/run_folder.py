"""The folder of a training run, new or resumed."""

import logging
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.config.loader import dump_config, list_settings, parse_config
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint
from mindrcnn.engine.checkpoints.resume import LAST, PREVIOUS, newest_checkpoint
from mindrcnn.engine.checkpoints.run_folder import claim_run_folder, create_run_folder, latest_run_folder
from mindrcnn.engine.checkpoints.run_lock import LOCK, is_vacant, run_lock
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.tracking.metrics_log import MetricsLog
from mindrcnn.engine.tracking.recorder import METRICS
from mindrcnn.engine.trainer import Progress
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

RUNS = Path("runs")  # where run folders are made


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run before it is opened.

    path: the folder; for a new run, the one that `open` creates.
    held: holds the folder's lock on the first process: at once for a resumed run, for a new one from `open` on.
    numbered: whether `open` adds a number to the name of a new run if it is taken.
    resumed: whether the folder holds a run, which is continued.
    checkpoint: the newest of a resumed run; None if it has none yet.
    """

    path: Path
    held: ExitStack
    numbered: bool = False
    resumed: bool = False
    checkpoint: Checkpoint | None = None

    def open(self, config: Config, progress: Progress, ranks: Ranks) -> Path:
        """Creates the folder of a new run, or rewinds the files of a resumed one to its checkpoint."""
        if self.resumed:
            ranks.from_first(lambda: self._continue(config, progress.step))
            return self.path
        return ranks.from_first(lambda: self._create(dump_config(config)))

    def _create(self, config_yaml: str) -> Path:
        if self.numbered:
            return create_run_folder(self.path.parent, self.path.name, config_yaml=config_yaml, held=self.held)
        return claim_run_folder(self.path, config_yaml=config_yaml, held=self.held)

    def _continue(self, config: Config, step: int) -> None:
        write_text(self.path / "config.yaml", dump_config(config))
        MetricsLog(self.path / METRICS).forget_after(step)


def find_run_folder(run_dir: Path | None, name: str, ranks: Ranks, held: ExitStack, *, resume: bool) -> RunFolder:
    """Returns `run_dir`, or the folder for `name` in runs/. Raises InputError for a folder that holds something else.

    run_dir: the folder asked for, if any.
    name: name of the run.
    ranks: the processes that train together; the first looks at the disk.
    held: keeps the lock of the folder for as long as the run lasts.
    resume: continues the run in `run_dir`, or the latest of that name; starts a new run if there is none.
    """
    existing = ranks.from_first(lambda: _find_existing(run_dir, name, held)) if resume else None
    if existing is not None:
        return RunFolder(existing, held, resumed=True, checkpoint=newest_checkpoint(existing))
    return RunFolder(ranks.from_first(lambda: _choose_new(run_dir, name)), held, numbered=run_dir is None)


def _find_existing(run_dir: Path | None, name: str, held: ExitStack) -> Path | None:
    folder = latest_run_folder(RUNS, name) if run_dir is None else paths.resolve(run_dir)
    if folder is None or not paths.is_folder(folder) or is_vacant(folder):
        return None
    if paths.exists(folder / LOCK) or paths.is_file(folder / "config.yaml"):
        held.enter_context(run_lock(folder))
    if not paths.is_file(folder / "config.yaml"):
        raise InputError(f"--resume: wanted the folder of a training run, got {folder}, which has no config.yaml")
    if not any(paths.exists(folder / name) for name in (LAST, PREVIOUS)) and not _is_dumped(folder / "config.yaml"):
        raise InputError(
            f"--resume: wanted the folder of a training run, got {folder}, which has no checkpoint, and a config.yaml "
            "that no run wrote"
        )
    return folder


def _is_dumped(path: Path) -> bool:
    """Says whether a configuration is one that a run wrote, which has every key."""
    text = paths.read_text(path)
    try:
        return dump_config(parse_config(text, str(path))) == text
    except InputError:
        return False


def _choose_new(run_dir: Path | None, name: str) -> Path:
    if run_dir is None:
        return RUNS / name
    folder = paths.resolve(run_dir)  # gives "." and "a/.." a last part that is a name
    if not paths.exists(folder):
        return folder
    if not paths.is_folder(folder):
        raise InputError(f"--run-dir: wanted a new or empty folder, got {run_dir}, {paths.describe(folder)}")
    if not is_vacant(folder):
        if paths.exists(folder / LOCK):
            with run_lock(folder):  # raises for one in use
                pass
        raise InputError(f"--run-dir: wanted a new or empty folder, got {run_dir}, which is not empty")
    return folder


def changed_keys(before: Config, now: Config) -> list[str]:
    """Returns `key: old -> new` for each key whose value differs; one that only the other has is unset."""
    old, new = list_settings(before), list_settings(now)
    return [
        f"{key}: {old.get(key, 'unset')} -> {new.get(key, 'unset')}"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    ]


@contextmanager
def told_how_to_continue(folder: Path, ranks: Ranks) -> Iterator[None]:
    """Logs, when a signal ends the run inside the block, where its state is and the command that continues it."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if ranks.first:
            logger.warning("%s", next_command(folder, ranks.size))
        raise


def next_command(folder: Path, processes: int) -> str:
    """Returns a line about the state of a run that has been stopped, and the command that continues it."""
    if not paths.is_file(folder / LAST):
        return f"nothing has been saved in {folder}"
    command = shlex.join(["train", str(folder / "config.yaml"), "--run-dir", str(folder), "--resume"])
    program = "mindrcnn" if processes == 1 else f"mindrcnn launch --devices {processes} --"
    return f"the state is in {folder / LAST}; this continues: {program} {command}"


def restore_progress(checkpoint: Checkpoint, config: Config, plan: Plan, world_size: int) -> Progress:
    """Returns the progress of the run. Raises InputError if the data would continue in another order.

    The number of processes may differ if together they take the same number of images per step.
    """
    info = checkpoint.info
    before = parse_config(info.config_yaml, str(checkpoint.path))
    for key, was, now in (
        (
            "train.batch_size" if info.world_size == world_size == 1 else "train.batch_size x processes",
            before.train.batch_size * info.world_size,
            config.train.batch_size * world_size,
        ),
        ("data.classes", ", ".join(info.classes), ", ".join(config.data.classes)),
        ("train.accumulate", before.train.accumulate, config.train.accumulate),
        ("train.seed", before.train.seed, config.train.seed),
        ("steps of an epoch", info.steps_per_epoch, plan.steps_per_epoch),
    ):
        if was != now:
            raise InputError(f"--resume: {checkpoint.path}: {key}: wanted {was}, as the run began, got {now}")
    changed = changed_keys(before, config)
    if changed:
        logger.warning("resuming with other settings than before: %s", "; ".join(changed))
    # The checkpoint may have been saved before the evaluation after its step; the log then knows more.
    metrics = MetricsLog(checkpoint.path.parent / METRICS).last_evaluation(info.step) or info.metrics
    return Progress(epoch=info.epoch, step=info.step, metrics=metrics)
