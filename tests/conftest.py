"""Fixtures that every test folder uses."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

import mindrcnn  # noqa: F401 (sets what MindSpore's CPU kernels need before any test imports MindSpore)
from mindrcnn.exit_status import YOUNG_OBJECTS

REPOSITORY = Path(__file__).resolve().parents[1]

gc.disable()  # until the tests are collected: among so many modules and tests it takes a third of the time

# The libraries read these when they load, so before any test imports one. Programs that a test starts inherit them.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
if "PYTEST_XDIST_WORKER" in os.environ:  # every core has a worker; more threads would only wait for each other
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")


# Programs that tests start find here what others of the session have compiled.
GRAPHS_VARIABLE = "MINDRCNN_GRAPHS"


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder for compiled graphs, once for all workers, which inherit the variable."""
    if not hasattr(config, "workerinput"):
        os.environ[GRAPHS_VARIABLE] = tempfile.mkdtemp(prefix="mindrcnn-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the folder for compiled graphs."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[GRAPHS_VARIABLE], ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts files with slow tests first where several workers share the files, so that none is left with one at the end.

    Within a file the order stays.
    """
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Lets garbage be collected again, and prepares MindSpore as the programs do, but for the cache of graphs.

    A test may replace what a graph is made of.
    """
    gc.enable()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    if "mindspore" in sys.modules:
        from mindrcnn.build.device import run_at_once
        from mindrcnn.graphs.store import graph_cache

        run_at_once()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(GRAPHS_VARIABLE, "0")
            assert graph_cache() is None


@pytest.fixture(scope="module", autouse=True)
def garbage_of_this_file() -> None:
    """Hides what is loaded by now from the garbage collector.

    MindSpore runs it whenever it compiles a graph, and a walk over a million objects of modules and earlier tests takes
    several times as long as a small graph.
    """
    gc.collect()  # networks of the file before; what is hidden as garbage stays
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data kept outside the repository; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("MINDRCNN_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set MINDRCNN_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def golden(shared_data: Path) -> Path:
    """Folder of parity arrays computed by detectron2, torchvision and mmdetection."""
    folder = shared_data.parent / "golden"
    if not folder.is_dir():
        pytest.skip(f"no parity data at {folder}")
    return folder


@pytest.fixture(params=["graph", "pynative"])
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test once compiled and once eagerly."""
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE if request.param == "graph" else ms.PYNATIVE_MODE)
    yield request.param
    ms.set_context(mode=ms.PYNATIVE_MODE)


@pytest.fixture
def python_interrupts() -> Iterator[None]:
    """Puts Python's handler of Ctrl-C in force: a graph that ran in this process before has left MindSpore's.

    A Ctrl-C within the first milliseconds of a graph run, or more of them on a busy machine, arrives as SIGTERM, which
    would end the tests' process. It is sent again.
    """
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    end = signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    yield
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, end)


@pytest.fixture
def quick_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves curves.png empty: drawing takes longer than all else that a run with stand-ins does."""
    from mindrcnn.engine.tracking import recorder

    monkeypatch.setattr(recorder, "draw_curves", lambda metrics, picture: picture.touch())


@pytest.fixture(params=["portable", "native"])
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """Runs the test with MindSpore's operators and, if available, with the C++ kernels."""
    from mindrcnn.native.switch import in_use, portable_only

    if request.param == "portable":
        with portable_only():
            yield request.param
    elif in_use():
        yield request.param
    else:
        pytest.skip("no native kernels here")


@pytest.fixture(params=[True, False], ids=["kernels", "portable"])
def operators(request: pytest.FixtureRequest) -> Iterator[None]:
    """The kernels, where there are any, and MindSpore's operators."""
    from mindrcnn.native.switch import in_use, portable_only

    if request.param and not in_use():
        pytest.skip("no native kernels here")
    with nullcontext() if request.param else portable_only():
        yield
