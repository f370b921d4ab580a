"""A tiny data set, configuration and checkpoint, and ways to run the programs on them."""

import fcntl
import logging
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import mindspore as ms
import numpy as np
import pytest
from few_layers import ENVIRONMENT, registered
from mindspore import Tensor, nn
from numpy.typing import NDArray

from mindrcnn.build.detector import build_detector
from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.config.train import TrainConfig
from mindrcnn.datasets.demo import CATEGORY_IDS, make_demo
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo, save_checkpoint
from mindrcnn.engine.step.training_state import TrainingState
from mindrcnn.exit_status import run
from mindrcnn.tasks import training

REPOSITORY = Path(__file__).resolve().parents[2]
TRAIN_IMAGES, VAL_IMAGES = 12, 4

LOG_LINE = re.compile(r"\d\d:\d\d:\d\d (INFO|WARNING) ")

TINY = """
base: {repository}/benchmarks/tiny.yaml
model: {{backbone: {{name: few_layers, norm: batch, frozen_stages: 0}}}}
data: {{root: {root}}}
"""


@dataclass(frozen=True)
class Outcome:
    """What a program left: its exit status and its two streams."""

    status: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The one message of a program that refuses its input; anything else on stderr is an ordinary log line."""
        assert self.status == 2, self.stderr
        assert "Traceback" not in self.stderr
        before, *messages = self.stderr.split("error: ")
        assert len(messages) == 1, self.stderr
        assert all(LOG_LINE.match(line) for line in before.splitlines()), before
        return messages[0]


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of the workers that needs it makes, and the others wait for."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    done = folder.with_suffix(".done")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 64 pixels, 8 classes; shared, so only to be read."""
    make = partial(make_demo, train_images=TRAIN_IMAGES, val_images=VAL_IMAGES, size=64)
    return made_once(tmp_path_factory, "demo", make)


@pytest.fixture
def own_demo(demo: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(demo, tmp_path / "own_demo"))


@pytest.fixture(scope="module", autouse=True)
def few_layers() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="session")
def tiny(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration of a Mask R-CNN that trains in seconds."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(TINY.format(repository=REPOSITORY, root=demo))
    return path


@pytest.fixture(scope="session")
def untrained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the tiny model with fresh parameters."""
    with registered():
        config = load_config(tiny)
    ms.set_seed(1)
    path = tmp_path_factory.mktemp("untrained") / "model.ckpt"
    info = CheckpointInfo(
        config_yaml=dump_config(config),
        classes=tuple(CATEGORY_IDS),
        category_ids=tuple(CATEGORY_IDS.values()),
        epoch=0,
        step=0,
    )
    with registered():
        save_checkpoint(path, network=build_detector(config.model, len(CATEGORY_IDS)), info=info)
    return path


@pytest.fixture(scope="session")
def trained_by_train_py(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> Path:
    """A folder with "run", a finished run of the tiny configuration, and "stderr"; shared, so only to be read."""

    def train(folder: Path) -> None:
        folder.mkdir()
        (folder / "tiny.yaml").write_text(TINY.format(repository=REPOSITORY, root=demo))
        process = start(folder, "train.py", "tiny.yaml", "--run-dir", "run")
        (folder / "stderr").write_text(process.communicate(timeout=600)[1])
        assert process.returncode == 0, (folder / "stderr").read_text()

    return made_once(tmp_path_factory, "trained", train)


class EveryClassOnce:
    """Predicts one object of each label in every image, label k at column 4k with score k / 10."""

    def __init__(self, *, detector: object) -> None:
        self.labels = np.arange(1, len(CATEGORY_IDS) + 1, dtype=np.int32)

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        batch, count = len(images), len(self.labels)
        left = 4.0 * self.labels
        boxes = np.stack([left, np.zeros(count), left + 4, np.full(count, 8.0)], axis=1).astype(np.float32)
        scores = (self.labels / 10).astype(np.float32)
        outputs = (boxes, scores, self.labels, np.ones(count, bool), np.ones((count, 14, 14), np.float32), scores)
        return tuple(np.broadcast_to(output, (batch, *output.shape)) for output in outputs)


@pytest.fixture
def every_class_once() -> type[EveryClassOnce]:
    """A stand-in for NumpyPredictor."""
    return EveryClassOnce


class StandInStep:
    """Takes a step's place; `actions` maps a step, from 1, to what happens in it."""

    actions: ClassVar[dict[int, Callable[[], object]]] = {}

    def __init__(self, train: TrainConfig, losses: nn.Cell, state: TrainingState, **settings: object) -> None:
        self.losses = len(losses.detector.loss_names)
        self.steps = 0

    def set_train(self, mode: bool) -> None:
        """As of a Cell."""

    def __call__(self, *batch: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        self.steps += 1
        self.actions.get(self.steps, lambda: None)()
        return tuple(Tensor(np.float32(1)) for _ in range(self.losses)), Tensor(np.float32(1))


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, quick_curves: None) -> type[StandInStep]:
    monkeypatch.setattr(training, "build_step", StandInStep)
    monkeypatch.setattr(StandInStep, "actions", {})
    return StandInStep


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[Callable[[], int]], Outcome]]:
    """Runs a program's action in this process, in an empty working folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)

    def call_program(action: Callable[[], int]) -> Outcome:
        capsys.readouterr()
        status = run(action)
        streams = capsys.readouterr()
        return Outcome(status, streams.out, streams.err)

    yield call_program
    ms.set_context(mode=ms.PYNATIVE_MODE)
    package = logging.getLogger("mindrcnn")
    for handler in list(package.handlers):
        package.removeHandler(handler)
        handler.close()


def start(folder: Path, program: str | Path, *arguments: object) -> subprocess.Popen[str]:
    """Starts a program, named relative to the repository, as a user does, in `folder`."""
    environment = os.environ | ENVIRONMENT
    command = [sys.executable, str(REPOSITORY / program), *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Outcome]:
    """Runs a program of the repository to its end: program("eval.py", "best.ckpt", ...)."""

    def run_program(name: str, *arguments: object, folder: Path = tmp_path) -> Outcome:
        process = start(folder, name, *arguments)
        stdout, stderr = process.communicate(timeout=600)
        return Outcome(process.returncode, stdout, stderr)

    return run_program


@pytest.fixture
def background(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a program that the test stops itself; whatever still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start_program(name: str | Path, *arguments: object) -> subprocess.Popen[str]:
        processes.append(start(tmp_path, name, *arguments))
        return processes[-1]

    yield start_program
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def files_under() -> Callable[[Path], set[str]]:
    """Names of all files in a folder, hidden ones too, relative to it."""
    return lambda folder: {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def largest_file() -> Callable[[int], AbstractContextManager[None]]:
    """A context in which no file can grow beyond so many bytes, as on a full disk."""
    return _largest_file


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
