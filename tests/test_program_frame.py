"""What surrounds every program: signals that end it whatever it waits for, output that fails, memory that ends."""

import importlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mindrcnn.errors import InputError, LostRank
from mindrcnn.exit_status import EXIT_INPUT, EXIT_LOST, LEAST_ADDRESS_SPACE, report_bad_input, run

SOURCES = Path(__file__).resolve().parents[1] / "src"
FRAME = """
import os, sys, threading, time
from pathlib import Path
from mindrcnn.atomic import replacing
from mindrcnn.errors import InputError
from mindrcnn.exit_status import run, run_network
def action():
{body}
    return 0
sys.exit({run}(action))
"""


def start(body: str, *, run: str = "run", **options: object) -> subprocess.Popen[str]:
    """Starts a program whose action is the body."""
    text = FRAME.format(body=textwrap.indent(textwrap.dedent(body), "    "), run=run)
    settings: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    environment = os.environ | {"PYTHONPATH": str(SOURCES)} | dict(options.pop("environment", {}))  # type: ignore[call-overload]
    settings.pop("environment", None)
    return subprocess.Popen([sys.executable, "-c", text], env=environment, text=True, **settings)  # type: ignore[call-overload, no-any-return]


def begun(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_end_a_program_that_waits_for_ever(number: signal.Signals) -> None:
    process = start(
        """
        waiting = threading.Event()
        words = ["begun"]
        while True:
            try:
                if words:
                    print(words.pop(), flush=True)
                waiting.wait()
            except BaseException:
                pass
        """
    )
    begun(process)
    process.send_signal(number)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_inside_mindspore_leaves_without_a_word(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "mindspore.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)\n")
    process = start(
        """
        with replacing(Path("result.txt")) as temporary:
            temporary.write_text("half")
            import mindspore
        """,
        cwd=tmp_path,
        environment={"PYTHONPATH": f"{tmp_path}{os.pathsep}{SOURCES}"},
    )
    begun(process)
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 128 + number
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".txt"] == []


PRINTING = """
        print("a table" * 10000)
        Path("result.txt").write_text("whole")
        """


def test_a_full_standard_output_is_bad_input_after_the_files(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        process = start(PRINTING, cwd=tmp_path, stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (2, "error: cannot write standard output: No space left on device\n")
    assert (tmp_path / "result.txt").read_text() == "whole"


def test_a_closed_pipe_is_a_reader_that_wants_no_more(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(PRINTING, cwd=tmp_path, stdout=writing)
    os.close(writing)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    assert (tmp_path / "result.txt").read_text() == "whole"


SAYING = """
        print("a message" * 10000, file=sys.stderr, flush=True)
        sys.stderr.isatty()  # as a progress line asks
        Path("result.txt").write_text("whole")
        """


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_standard_error_that_cannot_be_written_ends_no_program(tmp_path: Path, redirection: str) -> None:
    text = FRAME.format(body=textwrap.indent(textwrap.dedent(SAYING), "    "), run="run")
    words = ["bash", "-c", f'exec "$@" {redirection}', "bash", sys.executable, "-c", text]
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    assert subprocess.run(words, cwd=tmp_path, env=environment, timeout=60, check=False).returncode == 0
    assert (tmp_path / "result.txt").read_text() == "whole"


def test_closed_streams_give_their_numbers_to_no_file(tmp_path: Path) -> None:
    text = FRAME.format(body=textwrap.indent(textwrap.dedent(PRINTING), "    "), run="run")
    words = ["bash", "-c", 'exec "$@" <&- >&- 2>&-', "bash", sys.executable, "-c", text]
    assert (
        subprocess.run(words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(SOURCES)}, timeout=60).returncode == 0
    )
    assert (tmp_path / "result.txt").read_text() == "whole"


def test_characters_that_the_encoding_lacks_are_escaped() -> None:
    process = start('print("caf\\xe9", "\\u65e5", "\\udce9")', environment={"PYTHONIOENCODING": "ascii"})
    assert process.communicate(timeout=60) == ("caf\\xe9 \\u65e5 \\udce9\n", "")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Memory not enough: Device(id:0) memory isn't enough and alloc failed, kernel name: Conv2D"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("Return value from CPU AOT kernel(/x/libmindrcnn.so)'s function(nms) is 2. Any return value not"),
    ],
)
def test_too_little_memory_says_what_to_reduce(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> int:
        raise error

    assert report_bad_input(action) == EXIT_INPUT
    written = capsys.readouterr().err
    assert written.startswith("error: not enough memory: reduce train.batch_size")
    assert written.count("\n") == 1


def test_a_program_that_needs_mindspore_says_so_without_it(capsys: pytest.CaptureFixture[str]) -> None:
    def action(name: str) -> Callable[[], int]:
        return lambda: int(bool(importlib.import_module(name)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "mindspore", None)
        assert report_bad_input(action("mindspore")) == EXIT_INPUT
    assert capsys.readouterr().err.startswith("error: wanted the package mindspore for this, got none: run pip install")
    with pytest.raises(ModuleNotFoundError):
        report_bad_input(action("mindspore_of_another_kind"))


def test_a_small_address_space_is_told_before_mindspore_loads() -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({1 << 30}, {1 << 30}))\n"
    text = limit + FRAME.format(body="    raise AssertionError", run="run_network")
    process = subprocess.run(
        [sys.executable, "-c", text],
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    wanted = f"ulimit -v: wanted an address space of at least {LEAST_ADDRESS_SPACE >> 20} MB, got 1024 MB\n"
    assert (process.returncode, process.stderr) == (2, f"error: {wanted}")


def test_a_lost_rank_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def action() -> int:
        raise LostRank("rank 1 has left the job")

    assert report_bad_input(action) == EXIT_LOST
    assert capsys.readouterr().err == "error: rank 1 has left the job\n"


def test_other_failures_keep_their_traceback() -> None:
    def fail(error: Exception) -> Callable[[], int]:
        def action() -> int:
            raise error

        return action

    with pytest.raises(RuntimeError, match="shape"):
        run(fail(RuntimeError("shape")))
    with pytest.raises(SystemExit):
        run(lambda: sys.exit(3))
    assert run(fail(InputError("x"))) == EXIT_INPUT
